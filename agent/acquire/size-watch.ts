import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FettleError } from '../../src/domain/errors.ts';

/** Watches how much a child writes, since nobody asks us before each byte. */

export interface SizeWatch {
  /** Aborted, with the reason, when there is too much; ends the child. */
  readonly signal: AbortSignal;
  /**
   * Ends the watch after a last look.
   * @throws {FettleError} what {@link signal} was aborted with
   */
  end(): Promise<void>;
}

export interface SizeLimits {
  readonly folders: readonly string[];
  /** Bytes of all of them together. */
  readonly maxBytes: number;
  /** What is thrown past it. */
  readonly tooLarge: () => FettleError;
  readonly onSize?: ((bytes: number) => void) | undefined;
}

/** Bytes that stay free whatever a child writes: the journal and the old version need them. */
const SPARE = 64 * 1024 * 1024;
const EVERY_MS = 400;

/** A look at a large tree takes its time: then there are fewer, so that watching costs a tenth at the most. */
export function watchSize(limits: SizeLimits): SizeWatch {
  const over = new AbortController();
  const ended = new AbortController();
  const look = async () => {
    const bytes = await sizeOf(limits.folders);
    limits.onSize?.(bytes);
    if (bytes > limits.maxBytes) over.abort(limits.tooLarge());
    const [first] = limits.folders;
    const room = first === undefined ? undefined : await statfs(first).catch(() => undefined);
    if (room && room.bavail * room.bsize < SPARE) {
      const free = room.bavail * room.bsize;
      over.abort(new FettleError('no_space', { data: { needed: SPARE, free }, retryable: true }));
    }
  };
  const watching = (async () => {
    while (!ended.signal.aborted && !over.signal.aborted) {
      const began = performance.now();
      await look();
      const took = performance.now() - began;
      await delay(Math.max(EVERY_MS, took * 9), undefined, { signal: ended.signal }).catch(() => undefined);
    }
  })();
  return {
    signal: over.signal,
    async end() {
      ended.abort();
      await watching;
      if (!over.signal.aborted) await look();
      over.signal.throwIfAborted();
    },
  };
}

/** Bytes of all files below some folders. What goes while we look counts as nothing. */
export async function sizeOf(folders: readonly string[]): Promise<number> {
  let bytes = 0;
  const queue = [...folders];
  for (let next = 0; next < queue.length; next += 1) {
    const folder = queue[next] as string;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) queue.push(path);
      else if (entry.isFile()) bytes += (await lstat(path).catch(() => undefined))?.size ?? 0;
    }
  }
  return bytes;
}
