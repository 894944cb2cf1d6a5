import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { type Log, reasonOf } from './log.ts';

/**
 * Keeps a log small: LOG → LOG.1 → LOG.2. By copy and truncate, because a rename would take the file along with
 * whoever writes it ✗; lines written between the two are lost. Where the disk has no room for the copy the log is
 * emptied all the same, since it may be what fills the disk.
 */
export async function rotateLog(path: string, limit: number, log: Log): Promise<void> {
  const size = await stat(path).then(
    (found) => (found.isFile() ? found.size : 0),
    () => 0,
  );
  if (size <= limit) return;
  try {
    await rename(`${path}.1`, `${path}.2`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await copyFile(path, `${path}.1`);
  } catch (error) {
    log(`${path} is emptied without a copy: ${reasonOf(error)}`);
    await rm(`${path}.1`, { force: true }).catch(() => {});
  }
  await truncate(path).catch((error: unknown) => log(`${path} can't be rotated: ${reasonOf(error)}`));
}
