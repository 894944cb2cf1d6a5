import { readFileSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../../src/files/durable.ts';

/**
 * What a release brought, noted when its slot was sealed, so that data that an app writes beside its program is found
 * before an update leaves it behind. Names, sizes and times only: contents are never read.
 */

/** Path below the slot, bytes, milliseconds since 1970. */
type Brought = readonly [path: string, size: number, modified: number];

const LIST = join('.fettle', 'contents.json');
/** A slot with more files is not looked at: the look would cost more than it is worth. */
const MOST_FILES = 50_000;
/** Nobody misses these: caches, logs, marks of a running process. Ours, and git's, are not the app's. */
const PASSING_FOLDERS = /^(\.fettle|\.git|\.cache|cache|__pycache__|\.npm|\.pytest_cache|tmp|temp|\.tmp|logs?)$/;
const PASSING_FILES = /(\.(log|log\.\d+|pid|lock|lck|sock|tmp|swp|pyc)|^nohup\.out|^core(\.\d+)?)$/i;
/** They go with the database that is named without them. */
const SIDECAR = /-(wal|shm|journal)$/;

/** Notes what is in a slot; durable when it resolves. Without the list, nothing is found to be written. */
export async function noteContents(root: string, signal: AbortSignal): Promise<void> {
  const found = await walk(root, () => false, signal);
  if (found) writeDurably(join(root, LIST), `${JSON.stringify(found)}\n`);
}

/**
 * What the app has written into its slot: the paths that `keep:` would have to name, shortest first. Empty where there
 * is no list, as in slots of an earlier Fettle.
 * @param known kept and cached paths
 */
export async function writtenIntoSlot(root: string, known: readonly string[], signal: AbortSignal): Promise<string[]> {
  const brought = readList(root);
  if (!brought) return [];
  const files = new Map(brought.map(([path, size, modified]) => [path, `${size} ${modified}`]));
  const folders = new Set(brought.flatMap(([path]) => foldersOf(path)));
  const now = await walk(root, (path) => known.includes(path), signal);
  const written = new Set<string>();
  for (const [path, size, modified] of now ?? []) {
    if (files.get(path) === `${size} ${modified}`) continue;
    // The topmost folder that the app made itself; a file among those of the release alone.
    const made = foldersOf(path).find((folder) => !folders.has(folder));
    const database = path.replace(SIDECAR, '');
    written.add(made ?? database);
  }
  return [...written].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}

function readList(root: string): readonly Brought[] | undefined {
  try {
    return JSON.parse(readFileSync(join(root, LIST), 'utf8')) as readonly Brought[];
  } catch {
    return undefined;
  }
}

/** `a/b/c` → `a`, `a/b`. */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'));
}

/** Files below a folder; `undefined` where there are too many. What goes while we look is not there. */
async function walk(
  root: string,
  isKnown: (path: string) => boolean,
  signal: AbortSignal,
): Promise<Brought[] | undefined> {
  const found: Brought[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    const here = folder;
    const entries = await readdir(join(root, here), { withFileTypes: true }).catch(() => []);
    const files = entries.flatMap((entry) => {
      const path = here === '' ? entry.name : `${here}/${entry.name}`;
      if (isKnown(path)) return [];
      if (entry.isDirectory() && !PASSING_FOLDERS.test(entry.name)) folders.push(path);
      return entry.isFile() && !PASSING_FILES.test(entry.name) ? [path] : [];
    });
    if (found.length + files.length > MOST_FILES) return undefined;
    const stats = await Promise.all(files.map((path) => lstat(join(root, path)).catch(() => undefined)));
    for (const [i, stat] of stats.entries()) if (stat) found.push([files[i] as string, stat.size, stat.mtimeMs]);
  }
  return found;
}
