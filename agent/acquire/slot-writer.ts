import {
  chmodSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createSlotTree, entryParts, refuse } from './slot-tree.ts';

/** Writes what an archive contains into an empty slot, within its limits. Formats know nothing of safety; this does. */

export interface SlotWriter {
  folder(path: string): void;
  /** Takes the content as it comes; modes are 0755 where anybody may execute it, else 0644. */
  file(path: string, mode: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  hardLink(path: string, target: string): void;
  /** Made by {@link finish}, after all files: nothing is ever written through a link. */
  link(path: string, target: string): void;
  /** Makes the links. @throws where one leads out of the slot, or where there is nothing at all */
  finish(): void;
}

export interface SlotLimits {
  readonly slot: string;
  /** Bytes of all files, as written. */
  readonly maxUnpacked: number;
  readonly maxEntries?: number | undefined;
  readonly signal: AbortSignal;
  /** Files and bytes written so far. */
  readonly onFile?: ((files: number, bytes: number) => void) | undefined;
  /** Found out by trying, unless given. */
  readonly caseSensitive?: boolean | undefined;
}

/** Files, folders and links. */
export const MAX_ENTRIES = 200_000;

export function createSlotWriter(limits: SlotLimits): SlotWriter {
  const { slot, signal } = limits;
  if (readdirSync(slot).length > 0) throw new Error(`not empty: ${slot}`);
  const tree = createSlotTree({
    caseSensitive: limits.caseSensitive ?? tellsCase(slot),
    maxEntries: limits.maxEntries ?? MAX_ENTRIES,
  });
  let bytes = 0;
  let files = 0;
  const place = (path: string) => join(slot, ...entryParts(path));
  const makeFolders = (folders: readonly string[]) => {
    for (const folder of folders) {
      mkdirSync(join(slot, folder), { mode: 0o755 });
      chmodSync(join(slot, folder), 0o755);
    }
  };

  return {
    folder: (path) => makeFolders(tree.folder(path)),
    file: async (path, mode, content) => {
      makeFolders(tree.file(path));
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const ours = (mode & 0o111) !== 0 ? 0o755 : 0o644;
      const file = await open(place(path), flags, ours);
      try {
        // The umask may be narrow, and an app may run as another user than the agent.
        await file.chmod(ours);
        for await (const chunk of content) {
          signal.throwIfAborted();
          bytes += chunk.byteLength;
          if (bytes > limits.maxUnpacked) {
            throw refuse(`unpacked it has more than ${Math.floor(limits.maxUnpacked / 1e6)} MB (maxUnpacked)`);
          }
          for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten;
        }
      } finally {
        await file.close();
      }
      files += 1;
      limits.onFile?.(files, bytes);
    },
    hardLink: (path, target) => {
      if (!tree.hasFile(target)) throw refuse('a hard link in it leads to something that it does not contain', path);
      makeFolders(tree.file(path));
      linkSync(place(target), place(path));
    },
    link: (path, target) => makeFolders(tree.link(path, target)),
    finish: () => {
      const links = tree.links();
      if (files === 0) throw refuse('it is empty');
      for (const { path, target } of links) symlinkSync(target, place(path));
    },
  };
}

function tellsCase(folder: string): boolean {
  const probe = join(folder, '.fettle-case');
  writeFileSync(probe, '', { flag: 'wx', mode: 0o600 });
  try {
    return !existsSync(join(folder, '.FETTLE-CASE'));
  } finally {
    rmSync(probe);
  }
}
