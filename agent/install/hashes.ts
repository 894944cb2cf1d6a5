import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync, statSync } from 'node:fs';

const READ = 1_000_000;

/** Size and time of a file's content: they stay as long as nothing is written to it, whatever becomes of its mode and name. */
export function stampOf(path: string): string {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return `${size}/${mtimeNs}`;
}

/** sha256 of files (lower-case hex), remembered as long as nothing was written to them. */
export function createHashes(): { of(path: string): string } {
  const known = new Map<string, { readonly stamp: string; readonly sha256: string }>();
  return {
    of(path) {
      const { dev, ino } = statSync(path, { bigint: true });
      const [key, stamp] = [`${dev}/${ino}`, stampOf(path)];
      const seen = known.get(key);
      if (seen?.stamp === stamp) return seen.sha256;
      const sha256 = hashFile(path);
      if (known.size > 50) known.clear();
      known.set(key, { stamp, sha256 });
      return sha256;
    },
  };
}

function hashFile(path: string): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(READ);
  const handle = openSync(path, constants.O_RDONLY);
  try {
    for (;;) {
      const read = readSync(handle, buffer, 0, READ, null);
      if (read === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    closeSync(handle);
  }
}
