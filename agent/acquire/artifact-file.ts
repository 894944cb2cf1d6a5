import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fsync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writevSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { FettleError } from '../../src/domain/errors.ts';
import { syncFolder, writeDurably } from '../../src/files/durable.ts';

/**
 * A file that grows to an artifact: hashed while it is written, in `NAME.part` until its sha256 has been proven and
 * it is on disk. So `NAME` itself is always whole. What there is of a `.part` outlives a restart together with
 * `NAME.part.json`, which says of what it is a part.
 */

export interface ArtifactFile {
  /** Bytes so far. */
  readonly position: number;
  /** The validator (strong ETag) of what has been written so far; `undefined`: a part of nothing known. */
  readonly validator: string | undefined;
  /** Was a part of an earlier process found? Its bytes may be wrong after a power cut. */
  readonly resumed: boolean;
  /** In order. */
  append(chunks: readonly Uint8Array[]): void;
  /** From zero, now a part of what `validator` stands for. */
  restart(validator: string | undefined): void;
  /**
   * Proves size and sha256, makes the file durable and gives it its name.
   * @throws {FettleError} `artifact_mismatch`; the part is then gone
   */
  finish(): Promise<void>;
  /** Keeps the part. */
  close(): void;
}

export interface Wanted {
  /** Absolute path of the finished file. */
  readonly to: string;
  /** Lower-case hex; empty where the bytes are proven otherwise, by the caller. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Where it is noted of what the part is one; beside the part unless given. */
  readonly note?: string | undefined;
}

const fsyncLater = promisify(fsync);
const READ = 1_000_000;

/** Is the finished file there, and right? */
export async function isThere(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
  const size = regularSize(wanted.to);
  if (size !== wanted.size || wanted.sha256 === '') return false;
  const hash = await hashFile(wanted.to, size, signal);
  return hash.digest('hex') === wanted.sha256;
}

/** Opens the part that an earlier process left, or a new one (0600, exclusively created). */
export async function openArtifactFile(wanted: Wanted, signal: AbortSignal): Promise<ArtifactFile> {
  const part = `${wanted.to}.part`;
  const note = wanted.note ?? `${part}.json`;
  let validator = readNote(note, wanted);
  let position = regularSize(part) ?? -1;
  if (validator === undefined || position <= 0 || position > wanted.size) {
    rmSync(part, { force: true, recursive: true });
    rmSync(note, { force: true });
    validator = undefined;
    position = -1;
  }
  const resumed = position > 0;
  let hash = resumed ? await hashFile(part, position, signal) : createHash('sha256');
  const flags = resumed ? constants.O_WRONLY : constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const fd = openSync(part, flags | constants.O_NOFOLLOW, 0o600);
  position = Math.max(0, position);
  let isOpen = true;
  let fromBefore = resumed;

  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };

  return {
    get position() {
      return position;
    },
    get validator() {
      return validator;
    },
    get resumed() {
      return fromBefore;
    },
    append: (chunks) => {
      for (const chunk of chunks) hash.update(chunk);
      let rest = chunks;
      while (rest.length > 0) {
        let written = writevSync(fd, rest as readonly NodeJS.ArrayBufferView[] as NodeJS.ArrayBufferView[], position);
        position += written;
        // A nearly full disk takes a part; the next write then says why.
        let whole = 0;
        for (const chunk of rest) {
          if (written < chunk.byteLength) break;
          written -= chunk.byteLength;
          whole += 1;
        }
        const cut = rest[whole];
        rest = cut && written > 0 ? [cut.subarray(written), ...rest.slice(whole + 1)] : rest.slice(whole);
      }
    },
    restart: (newValidator) => {
      ftruncateSync(fd, 0);
      position = 0;
      hash = createHash('sha256');
      fromBefore = false;
      validator = newValidator;
      if (newValidator === undefined) rmSync(note, { force: true });
      else writeDurably(note, JSON.stringify({ validator: newValidator, sha256: wanted.sha256 }));
    },
    finish: async () => {
      const found = hash.digest('hex');
      if (position !== wanted.size || (wanted.sha256 !== '' && found !== wanted.sha256)) {
        close();
        rmSync(part, { force: true });
        rmSync(note, { force: true });
        throw new FettleError('artifact_mismatch', {
          data: {
            file: basename(wanted.to),
            expected: wanted.sha256,
            found,
            reason:
              position === wanted.size
                ? 'its sha256 is not the one that the release names'
                : `it has ${position} bytes instead of ${wanted.size}`,
          },
        });
      }
      await fsyncLater(fd);
      close();
      renameSync(part, wanted.to);
      rmSync(note, { force: true });
      syncFolder(dirname(wanted.to));
    },
    close,
  };
}

function readNote(path: string, wanted: Wanted): string | undefined {
  try {
    const note = JSON.parse(readFileSync(path, 'utf8')) as { validator?: unknown; sha256?: unknown };
    return note.sha256 === wanted.sha256 && typeof note.validator === 'string' ? note.validator : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes of a regular file; `undefined` for anything else, links too. */
function regularSize(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : undefined;
}

/** One asynchronous pass in large reads: other apps' probes go on meanwhile. */
async function hashFile(path: string, bytes: number, signal: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256');
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const buffer = Buffer.allocUnsafe(READ);
    for (let at = 0; at < bytes; ) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(READ, bytes - at), at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return hash;
}
