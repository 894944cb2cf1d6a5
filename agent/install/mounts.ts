import { readFileSync } from 'node:fs';

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly path: string;
  readonly options: readonly string[];
}

/** What is mounted where, as this process sees it; empty where that can't be read. */
export function readMounts(text = readMountInfo()): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, , , , path, options] = line.split(' ');
    if (path === undefined || options === undefined) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_all, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    // Bytes of UTF-8, as the kernel writes them.
    return [{ path: Buffer.from(plain, 'latin1').toString('utf8'), options: options.split(',') }];
  });
}

/** The mount points at a path or below it: none of them can be renamed. @param path links resolved */
export function mountsWithin(path: string, mounts: readonly Mount[] = readMounts()): readonly string[] {
  return mounts.flatMap((mount) => (mount.path === path || mount.path.startsWith(`${path}/`) ? [mount.path] : []));
}

/** The mount that a path is on. @param path links resolved */
export function mountOf(path: string, mounts: readonly Mount[] = readMounts()): Mount | undefined {
  const above = mounts.filter(({ path: at }) => at === '/' || path === at || path.startsWith(`${at}/`));
  // The last one at a place covers those before it.
  return above.reduce<Mount | undefined>(
    (best, one) => (!best || one.path.length >= best.path.length ? one : best),
    undefined,
  );
}

function readMountInfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    return '';
  }
}
