import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Kept } from './contract.ts';

/** Which paths of a folder are data: what no release brings, and what an app can't do without. */

/** Made again by whoever needs it, so no data. */
const MADE =
  /^(node_modules|dist|build|out|target|\.venv|venv|env|__pycache__|\.cache|\.next|\.nuxt|\.svelte-kit|\.turbo|\.parcel-cache|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.tox|coverage|\.nyc_output|\.vscode|\.idea|\.DS_Store|Thumbs\.db|.*\.py[co]|.*\.egg-info|.*\.sw[op]|.*~|.*\.pid|.*\.tsbuildinfo|\.eslintcache|bower_components|vendor)$/i;
/** Names that data has. */
const DATA =
  /^(data|db|database|databases|storage|store|state|var|uploads?|files|media|logs?|backups?|sessions?|secrets?|private|keys|\.env(\..+)?|.*\.env|.*\.(db|sqlite3?|db3|log|key|pem|token)|config\.local\..*|.*\.local\.(json|ya?ml|toml)|local\..*)$/i;
const SQLITE = Buffer.from('SQLite format 3\0');
/** Beside a database; they go where it goes. */
const SIDECAR = /-(wal|shm|journal)$/;
/** A folder that only exists in the repository so that it exists. */
const PLACEHOLDER = /^(\.gitkeep|\.keep|\.gitignore|readme(\.\w+)?)$/i;

/** What git says of files that are not in it. Paths relative to the folder, without a slash at the end. */
export interface NotTracked {
  readonly ignored: readonly string[];
  readonly untracked: readonly string[];
}

export interface KeepFound {
  readonly keep: readonly Kept[];
  /** Not tracked and taken for code: copied, not kept. */
  readonly copied: readonly string[];
}

/** `git status --porcelain -z --ignored`. */
export function parseStatus(text: string): NotTracked & { readonly changed: readonly string[] } {
  const ignored: string[] = [];
  const untracked: string[] = [];
  const changed: string[] = [];
  const parts = text.split('\0');
  for (let at = 0; at < parts.length; at += 1) {
    const entry = parts[at] ?? '';
    const path = entry.slice(3).replace(/\/$/, '');
    if (entry.startsWith('!! ')) ignored.push(path);
    else if (entry.startsWith('?? ')) untracked.push(path);
    else if (path !== '') {
      changed.push(path);
      // A rename is followed by the name that it had.
      if (/^R|^.R|^C/.test(entry)) at += 1;
    }
  }
  return { ignored, untracked, changed };
}

/**
 * Chooses what is kept of a checkout: what git ignores and nothing makes again; of what git does not know, what has a
 * name or a content of data; and what running processes write to.
 *
 * @param tracked files of a folder that git has, to see whether it is only a placeholder
 * @param written absolute files that running processes have open for writing
 */
export function keptOfCheckout(
  root: string,
  status: NotTracked,
  tracked: (folder: string) => readonly string[],
  written: readonly string[],
): KeepFound {
  const found = new Map<string, string>();
  const copied: string[] = [];
  const made = (path: string) => path.split('/').some((part) => MADE.test(part)) || SIDECAR.test(path);
  for (const path of status.ignored) {
    if (!made(path)) found.set(widen(path, tracked), 'git ignores it');
    else if (!SIDECAR.test(path) && !isMadeFolder(path) && isDatabase(join(root, path)))
      found.set(path, 'a SQLite database');
  }
  for (const path of status.untracked) {
    if (made(path) || basename(path) === '.fettle') continue;
    if (DATA.test(basename(path))) found.set(widen(path, tracked), 'git does not have it, and its name says data');
    else if (holdsDatabase(join(root, path))) found.set(widen(path, tracked), 'a SQLite database');
    else copied.push(path);
  }
  // git says nothing of a folder that is empty yet, or holds only what makes it be there.
  for (const name of readdirSync(root)) {
    const folder = lstatSync(join(root, name)).isDirectory();
    const empty = tracked(name).every((file) => PLACEHOLDER.test(basename(file)));
    if (folder && DATA.test(name) && empty && !found.has(name))
      found.set(name, 'its name says data, and git has nothing of it');
  }
  addWritten(root, written, found, tracked);
  return { keep: outermost(found), copied };
}

/** What is kept of a folder that no git knows: names and contents of data, and what is written to. */
export function keptOfFolder(root: string, written: readonly string[]): KeepFound {
  const found = new Map<string, string>();
  for (const name of readdirSync(root)) {
    if (MADE.test(name) || SIDECAR.test(name) || name === '.git') continue;
    if (DATA.test(name)) found.set(name, 'its name says data');
    else if (holdsDatabase(join(root, name))) found.set(name, 'a SQLite database');
  }
  addWritten(root, written, found, () => []);
  return { keep: outermost(found), copied: [] };
}

/** Everything beside what npm made: a package brings nothing else. */
export function keptOfPackage(root: string): KeepFound {
  const npm = /^(node_modules|package\.json|package-lock\.json|npm-shrinkwrap\.json|\.npmrc|\.git|\.gitignore)$/;
  const names = readdirSync(root).filter((name) => !npm.test(name) && !MADE.test(name) && !SIDECAR.test(name));
  return { keep: names.sort().map((path) => ({ path, why: 'not part of the package' })), copied: [] };
}

function addWritten(
  root: string,
  written: readonly string[],
  found: Map<string, string>,
  tracked: (folder: string) => readonly string[],
): void {
  for (const file of written) {
    if (!file.startsWith(`${root}/`)) continue;
    const path = file.slice(root.length + 1).replace(SIDECAR, '');
    if (path.startsWith('.git/') || path.startsWith('node_modules/')) continue;
    if ([...found.keys()].some((kept) => path === kept || path.startsWith(`${kept}/`))) continue;
    found.set(widen(path, tracked), 'a running process writes to it');
  }
}

/** A file of data in a folder that holds nothing else of the repository: the folder is what is kept. */
function widen(path: string, tracked: (folder: string) => readonly string[]): string {
  const folder = dirname(path);
  if (folder === '.') return path;
  return tracked(folder).every((file) => PLACEHOLDER.test(basename(file))) ? folder : path;
}

/** Those that are in no other, sorted. */
function outermost(found: ReadonlyMap<string, string>): Kept[] {
  const paths = [...found.keys()].sort();
  return paths
    .filter((path) => !paths.some((other) => path !== other && path.startsWith(`${other}/`)))
    .map((path) => ({ path, why: found.get(path) ?? '' }));
}

function isMadeFolder(path: string): boolean {
  return path
    .split('/')
    .slice(0, -1)
    .some((part) => MADE.test(part));
}

const MAX_DEPTH = 3;
const MAX_LOOKED_AT = 2_000;

/** Is it a SQLite database, or a folder with one in it? Looks at a few levels and a few thousand files. */
function holdsDatabase(path: string): boolean {
  const queue = [{ path, depth: 0 }];
  for (let next = 0; next < queue.length && next < MAX_LOOKED_AT; next += 1) {
    const { path: at, depth } = queue[next] as { path: string; depth: number };
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat?.isFile() && isDatabase(at)) return true;
    if (!stat?.isDirectory() || depth >= MAX_DEPTH) continue;
    for (const name of namesOf(at)) if (!MADE.test(name)) queue.push({ path: join(at, name), depth: depth + 1 });
  }
  return false;
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isDatabase(path: string): boolean {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  try {
    const file = openSync(path, 'r');
    try {
      const head = Buffer.alloc(SQLITE.length);
      return readSync(file, head, 0, head.length, 0) === head.length && head.equals(SQLITE);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
