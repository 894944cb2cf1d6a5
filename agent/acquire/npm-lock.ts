import { z } from 'zod';
import { FettleError } from '../../src/domain/errors.ts';
import { strongest } from '../../src/origin/npm.ts';

/** What npm resolved, as its lock file tells (package-lock.json, lockfileVersion 3). */

const Entry = z.object({
  version: z.string().optional(),
  integrity: z.string().optional(),
  link: z.boolean().optional(),
  inBundle: z.boolean().optional(),
  os: z.array(z.string()).optional(),
  cpu: z.array(z.string()).optional(),
  libc: z.array(z.string()).optional(),
  optional: z.boolean().optional(),
});

const Lock = z.object({ packages: z.record(z.string(), Entry) });

export interface LockedTree {
  /** Folders of the packages that this device installs, relative to the slot. */
  readonly folders: readonly string[];
}

/**
 * Reads a lock and compares what it has for `name` with what was ordered.
 *
 * @param platform Node's `process.platform` and `process.arch`
 * @throws {FettleError} `artifact_mismatch`: another version or another integrity than ordered, or something in the
 *   tree that no hash vouches for; `install_failed` where the lock is none
 */
export function readLock(
  text: string,
  ordered: { readonly name: string; readonly version: string; readonly digest: string },
  platform: { readonly os: string; readonly cpu: string },
): LockedTree {
  let lock: z.infer<typeof Lock>;
  try {
    lock = Lock.parse(JSON.parse(text));
  } catch (error) {
    throw new FettleError('install_failed', { data: { reason: 'npm wrote no lock that can be read' }, cause: error });
  }
  const top = lock.packages[`node_modules/${ordered.name}`];
  const integrity = strongest(top?.integrity ?? '');
  if (top?.version !== ordered.version || integrity !== ordered.digest) {
    throw new FettleError('artifact_mismatch', {
      data: {
        package: ordered.name,
        version: ordered.version,
        expected: ordered.digest,
        found: integrity ?? 'none',
        reason: 'the registry now names another content for this version than the one that was ordered',
      },
    });
  }
  const folders: string[] = [];
  for (const [folder, entry] of Object.entries(lock.packages)) {
    if (folder === '') continue;
    if (entry.link || (entry.integrity === undefined && !entry.inBundle)) {
      throw new FettleError('artifact_mismatch', {
        data: {
          package: folder.replace(/^.*node_modules\//, ''),
          reason: 'no hash vouches for a package that it needs',
        },
      });
    }
    const here = fits(entry.os, platform.os) && fits(entry.cpu, platform.cpu);
    // Which libc this is, npm finds out; such a package may or may not come.
    if (here && entry.libc === undefined && !entry.inBundle) folders.push(folder);
  }
  return { folders };
}

/** npm's `os` and `cpu`: a list of what fits, or of `!` what does not. */
function fits(wanted: readonly string[] | undefined, here: string): boolean {
  if (!wanted || wanted.length === 0 || wanted.includes('any')) return true;
  if (wanted.includes(`!${here}`)) return false;
  return wanted.includes(here) || wanted.every((entry) => entry.startsWith('!'));
}
