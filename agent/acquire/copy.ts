import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { FettleError, systemCodeOf, toFettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import { abortError } from './abort.ts';
import { type ArtifactFile, isThere, openArtifactFile, type Wanted } from './artifact-file.ts';
import { tooLarge } from './download.ts';
import { createProgressMeter, type Report } from './progress.ts';

export interface CopyOptions extends Wanted {
  /** Absolute path. */
  readonly from: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly progress: Report;
  readonly clock: Pick<Clock, 'monotonic'>;
}

const READ = 1_000_000;

/**
 * Fetches an artifact from a folder: copied, because whoever may write that folder could otherwise change the file
 * between its check and its use. Hashed while copied; starts from zero each time.
 *
 * @throws {FettleError} `artifact_mismatch`, `artifact_invalid`, `download_failed`, `no_space`, `deadline_passed`, `cancelled`
 */
export async function copyArtifact(options: CopyOptions): Promise<void> {
  const { signal, size } = options;
  const name = basename(options.from);
  if (size > options.maxBytes) throw tooLarge(name, size, options.maxBytes);
  try {
    if (await isThere(options, signal)) return;
    // Not blocking: a FIFO of that name would otherwise be waited for.
    const source = await open(options.from, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await source.stat()).isFile()) throw notThere(name, 'it is no file');
      const target = await openArtifactFile(options, signal);
      try {
        await pour(source, target, options);
      } finally {
        target.close();
      }
    } finally {
      await source.close();
    }
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    if (systemCodeOf(error) === 'ENOENT') throw notThere(name, 'the file is not there');
    throw toFettleError(error, 'download_failed', { file: name });
  }
}

async function pour(source: FileHandle, target: ArtifactFile, options: CopyOptions): Promise<void> {
  target.restart(undefined);
  const { clock, progress, signal, size } = options;
  const meter = createProgressMeter(clock, progress, { unit: 'bytes', total: size });
  const buffer = Buffer.allocUnsafe(READ);
  while (target.position <= size) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, READ);
    if (bytesRead === 0) break;
    target.append([buffer.subarray(0, bytesRead)]);
    meter.at(target.position);
  }
  await target.finish();
  meter.end(size);
}

function notThere(file: string, reason: string): FettleError {
  return new FettleError('download_failed', { data: { file, reason } });
}
