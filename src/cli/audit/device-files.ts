import { existsSync, readFileSync } from 'node:fs';
import { linesOf, logFiles } from '../../../agent/audit/files.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
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

/**
 * A log that somebody brought: what `fettle audit export` printed on the device, or its files as they are.
 * @throws {FettleError} `io_failed {reason}` where it can't be read, or is none
 */
export function givenLog(path: string): DeviceFile {
  if (!existsSync(path)) throw new FettleError('io_failed', { data: { reason: `${path} is not there` } });
  const lines = readFileSync(path, 'utf8').split('\n');
  // What a power cut left of the last line is no entry.
  if (lines.at(-1) === '' || readDeviceLine(lines.at(-1) ?? '') === undefined) lines.pop();
  if (!lines.some((line) => readDeviceLine(line) !== undefined))
    throw new FettleError('io_failed', {
      data: { reason: `${path} is no audit log of a device: \`fettle audit export\` on the device prints one` },
    });
  return { path, lines };
}
