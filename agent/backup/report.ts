import type { BackupReport } from '../../src/protocol/messages.ts';
import type { Manifest } from './manifest.ts';

/** The last moment that a date has. What is told must fit the protocol, whatever a manifest says. */
const LAST_MS = 8.64e15;

/** A backup as the hub is told of it. @param running the slot that runs now */
export function reportOf(manifest: Manifest, running: string | undefined): BackupReport {
  const { seq, at, from, to, restores, by, entries, dump } = manifest;
  const files = entries.filter((entry) => entry.type === 'file');
  return {
    seq,
    at: Math.min(Math.max(0, Math.trunc(at)), LAST_MS),
    ...versionOf('from', from),
    ...(to === from ? {} : versionOf('to', to)),
    ...(restores === undefined ? {} : { restores }),
    ...(by === undefined ? {} : { by: by.slice(0, 60) }),
    bytes: files.reduce((sum, file) => sum + Math.max(0, file.size), Math.max(0, dump?.size ?? 0)),
    files: files.length + (dump ? 1 : 0),
    ofRunning: to !== from && to === running,
  };
}

/** The version in a slot's name (`1.2.0-1f2e3d4c`); the slot itself may be gone. */
function versionOf<K extends string>(key: K, slot: string | null): Partial<Record<K, string>> {
  const version = slot?.replace(/-[0-9a-f]{8}$/, '').slice(0, 100);
  return version ? ({ [key]: version } as Record<K, string>) : {};
}
