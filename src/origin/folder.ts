import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { FettleError, systemCodeOf } from '../domain/errors.ts';
import { hexSha256, INDEX_FILE, MAX_INDEX_BYTES, type ReadIndex, readIndex } from './feed-format.ts';

/** A release feed in a folder of this machine (or mounted into it). */

/** A read index, and what makes the next read conditional. */
export interface FeedAnswer extends ReadIndex {
  readonly etag?: string | undefined;
}

/**
 * Reads the index of the feed in `folder`. Conditional on its content.
 *
 * @param options.etag of the last answer; `'unchanged'` where the index is still the same
 * @throws {FettleError} `source_unreachable` (no such folder, no permission), `source_invalid`
 */
export async function readFolder(
  folder: string,
  options: { readonly app: string; readonly etag?: string | undefined; readonly signal: AbortSignal },
): Promise<FeedAnswer | 'unchanged'> {
  const source = `folder ${folder}`;
  const text = await readText(join(folder, INDEX_FILE), source, options.signal);
  const etag = `"${hexSha256(text)}"`;
  if (etag === options.etag) return 'unchanged';
  return { ...readIndex(text, { source, app: options.app }), etag };
}

async function readText(path: string, source: string, signal: AbortSignal): Promise<string> {
  const unreachable = (reason: string, cause?: unknown) =>
    new FettleError('source_unreachable', { data: { source, reason }, retryable: true, cause });
  signal.throwIfAborted();
  try {
    // Not blocking: a FIFO of that name would otherwise be waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw unreachable(`its ${INDEX_FILE} is no file`);
      if (stat.size > MAX_INDEX_BYTES) {
        throw new FettleError('source_invalid', {
          data: { source, reason: `its index is larger than ${MAX_INDEX_BYTES / 1e6} MB` },
        });
      }
      return await file.readFile({ encoding: 'utf8', signal });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof FettleError || signal.aborted) throw error;
    const code = systemCodeOf(error);
    const reason =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `there is no ${INDEX_FILE} in it`
        : code === 'EACCES' || code === 'EPERM'
          ? `its ${INDEX_FILE} may not be read by this user`
          : `its ${INDEX_FILE} could not be read (${code ?? 'unknown'})`;
    throw unreachable(reason, error);
  }
}
