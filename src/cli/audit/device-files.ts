import { readFileSync } from 'node:fs';
import { linesOf, logFiles } from '../../../agent/audit/files.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { systemCodeOf } from '../../domain/errors.ts';
import { readTrimmed } from '../../files/durable.ts';
import { readDeviceLine } from '../../protocol/audit-chain.ts';

/** Lines of a device's log that were taken from the device itself, and so by no hub. */
export interface DeviceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

/** The log of the agent of this home; `undefined` where there is none. */
export function ownLog(layout: HomeLayout): (DeviceFile & { readonly device: string }) | undefined {
  const path = layout.agent.audit;
  const files = logFiles(path);
  if (files.length === 0) return undefined;
  return { path, lines: files.flatMap(linesOf), device: readTrimmed(`${layout.agent.dir}/id`) ?? 'this device' };
}

/** A log that somebody brought: what `fettle audit export` printed on the device, or its files as they are. A text says why it is none. */
export function givenLog(path: string): DeviceFile | string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return `${path} can't be read (${systemCodeOf(error) ?? String(error)}).`;
  }
  const lines = text.split('\n');
  // What a power cut left of the last line is no entry.
  if (lines.at(-1) === '' || readDeviceLine(lines.at(-1) ?? '') === undefined) lines.pop();
  if (!lines.some((line) => readDeviceLine(line) !== undefined))
    return `${path} is no audit log of a device: \`fettle audit export\` on the device prints one.`;
  return { path, lines };
}
