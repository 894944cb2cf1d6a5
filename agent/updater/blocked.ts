import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { UpdateKind } from '../../src/domain/update.ts';
import { writeDurably } from '../../src/files/durable.ts';

/**
 * Releases that failed here by their own fault (crash, health, wrong version). They are not tried again by
 * themselves; a person can force. Power loss, a full disk, time-outs and the network never block a release.
 */
const Blocked = z.record(
  z.string(),
  z.record(z.string(), z.object({ version: z.string(), code: z.string(), at: z.number() })),
);

/** Failures that are the release's own. */
const OWN_FAULTS: readonly string[] = [
  'crashed',
  'health_failed',
  'wrong_version',
  'start_failed',
  'artifact_invalid',
  'rehearsal_failed',
];

/** Only what the release itself did wrong blocks it; a person's rollback or a restart blocks nothing. */
export function isOwnFault(kind: UpdateKind, code: string): boolean {
  return (kind === 'update' || kind === 'install') && OWN_FAULTS.includes(code);
}

export interface BlockedReleases {
  versions(app: string): readonly string[];
  reason(app: string, digest: string): string | undefined;
  block(app: string, release: { readonly digest: string; readonly version: string }, code: string, at: number): void;
  /** After a success: it works now. */
  clear(app: string, digest: string): void;
}

/** Kept in one small file; one that can't be read counts as empty (a block is a convenience, not a safeguard). */
export function openBlocked(path: string): BlockedReleases {
  let all: z.infer<typeof Blocked> = {};
  try {
    all = Blocked.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    all = {};
  }
  const save = () => writeDurably(path, `${JSON.stringify(all)}\n`);
  return {
    versions: (app) => Object.values(all[app] ?? {}).map((b) => b.version),
    reason: (app, digest) => all[app]?.[digest]?.code,
    block(app, release, code, at) {
      all = { ...all, [app]: { ...all[app], [release.digest]: { version: release.version, code, at } } };
      save();
    },
    clear(app, digest) {
      if (!all[app]?.[digest]) return;
      const { [digest]: _cleared, ...others } = all[app];
      all = { ...all, [app]: others };
      save();
    },
  };
}
