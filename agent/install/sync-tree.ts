import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** How many files are being synced at once: enough to let the disk merge, few enough for descriptor limits. */
const AT_ONCE = 16;

/** Makes a file or a tree durable: every file and every folder, fsynced. Links are names in their folder. */
export async function syncTree(root: string, signal: AbortSignal): Promise<void> {
  const top = await lstat(root);
  const folders: string[] = top.isDirectory() ? [root] : [];
  const files: string[] = top.isFile() ? [root] : [];
  for (let next = 0; next < folders.length; next += 1) {
    const folder = folders[next] as string;
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  const queue = [...files, ...folders.reverse()];
  let taken = 0;
  const worker = async () => {
    while (taken < queue.length) {
      signal.throwIfAborted();
      const path = queue[taken++] as string;
      const handle = await open(path, constants.O_RDONLY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
