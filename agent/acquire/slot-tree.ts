import { FettleError } from '../../src/domain/errors.ts';

/**
 * What an archive has made so far, kept in memory and asked before anything touches the disk. The slot starts empty
 * and only we write there, so this is the truth; asking the disk would follow the archive's own links.
 * Invariants: a parent is a folder, never a link; a name is made once; links are resolved to their end, within the
 * slot, before the first of them exists.
 */

type Node = { readonly kind: 'file' } | { readonly kind: 'link'; readonly target: string } | Folder;
interface Folder {
  readonly kind: 'folder';
  readonly children: Map<string, Node>;
}

export interface SlotTree {
  /** Names of a folder's path that are to be made, outermost first. Being there already is fine. */
  folder(path: string): string[];
  /** @returns the folders that are to be made first */
  file(path: string): string[];
  link(path: string, target: string): string[];
  /** Is there a file of that name (for a hard link)? */
  hasFile(path: string): boolean;
  /** Symbolic links, in the archive's order. @throws where one leads out of the slot */
  links(): readonly { readonly path: string; readonly target: string }[];
}

/** One name: what file systems take. */
const MAX_NAME_BYTES = 255;
/** A whole path within the slot; leaves room for the slot's own under the system's 4,096. */
const MAX_PATH_BYTES = 1_024;
/** As the kernel: more in one path is a loop. */
const MAX_HOPS = 40;

export function refuse(reason: string, entry?: string): FettleError {
  const name = entry === undefined ? undefined : entry.slice(0, 200);
  return new FettleError('artifact_invalid', { data: { reason, entry: name } });
}

/**
 * The parts of an entry's name, `.` and empty ones left out; none for the slot itself.
 * @throws {FettleError} `artifact_invalid`: absolute, `..`, too long, NUL
 */
export function entryParts(name: string): string[] {
  if (name.startsWith('/')) throw refuse('a file in it has an absolute path', name);
  if (name.includes('\0')) throw refuse('a file name in it has a NUL', name);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuse('a file in it has .. in its path', name);
  if (parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES))
    throw refuse('a file name in it is too long', name);
  // The marker of a finished slot is there: an archive that brought one would pass for verified.
  if (parts[0]?.normalize('NFKC').toLowerCase() === '.fettle')
    throw refuse('a file in it has a name that is ours', name);
  if (Buffer.byteLength(parts.join('/')) > MAX_PATH_BYTES) throw refuse('a path in it is too long', name);
  return parts;
}

/**
 * @param caseSensitive does the file system tell `A` from `a`? Where not, names that differ only so are one name.
 * @param maxEntries files, folders and links together
 */
export function createSlotTree(options: { readonly caseSensitive: boolean; readonly maxEntries: number }): SlotTree {
  const root: Folder = { kind: 'folder', children: new Map() };
  const links: { path: string; target: string }[] = [];
  let entries = 0;
  const keyOf = (name: string) => (options.caseSensitive ? name : name.normalize('NFC').toLowerCase());

  const add = (folder: Folder, name: string, node: Node) => {
    entries += 1;
    if (entries > options.maxEntries) throw refuse(`it has more than ${options.maxEntries} files`);
    folder.children.set(keyOf(name), node);
  };

  /** Walks down, making folders; refuses to pass through anything else. */
  const descend = (parts: readonly string[], entry: string): { folder: Folder; made: string[] } => {
    let folder = root;
    const made: string[] = [];
    for (const [index, part] of parts.entries()) {
      let next = folder.children.get(keyOf(part));
      if (!next) {
        next = { kind: 'folder', children: new Map() };
        add(folder, part, next);
        made.push(parts.slice(0, index + 1).join('/'));
      }
      if (next.kind !== 'folder') {
        throw refuse(
          next.kind === 'link' ? 'it writes through a link of its own' : 'it has a file where it needs a folder',
          entry,
        );
      }
      folder = next;
    }
    return { folder, made };
  };

  const leaf = (path: string, node: Node): string[] => {
    const parts = entryParts(path);
    const name = parts.at(-1);
    if (name === undefined) throw refuse('it has a file without a name', path);
    const { folder, made } = descend(parts.slice(0, -1), path);
    if (folder.children.has(keyOf(name))) throw refuse('it has the same name twice', path);
    add(folder, name, node);
    return made;
  };

  const find = (path: string): Node | undefined => {
    let node: Node | undefined = root;
    for (const part of entryParts(path)) {
      if (node?.kind !== 'folder') return undefined;
      node = node.children.get(keyOf(part));
    }
    return node;
  };

  /**
   * Follows a link as the kernel would, through other links too: `a/up -> ..` is inside, `b -> a/up/..` is not.
   * Names that do not exist are taken as folders: what may be put there later is ours.
   */
  const follow = (link: { path: string; target: string }) => {
    const at: string[] = entryParts(link.path).slice(0, -1);
    const todo = link.target.split('/');
    let hops = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (at.length === 0) throw refuse('a link in it leads out of its folder', link.path);
        at.pop();
        continue;
      }
      const node = find([...at, part].join('/'));
      if (node?.kind !== 'link') {
        at.push(part);
        continue;
      }
      hops += 1;
      if (hops > MAX_HOPS) throw refuse('a link in it leads to itself', link.path);
      todo.unshift(...node.target.split('/'));
    }
  };

  return {
    folder: (path) => descend(entryParts(path), path).made,
    file: (path) => leaf(path, { kind: 'file' }),
    link: (path, target) => {
      if (target === '' || target.includes('\0')) throw refuse('a link in it leads nowhere', path);
      if (target.startsWith('/')) throw refuse('a link in it has an absolute target', path);
      if (Buffer.byteLength(target) > MAX_PATH_BYTES) throw refuse('a link in it is too long', path);
      const made = leaf(path, { kind: 'link', target });
      links.push({ path: entryParts(path).join('/'), target });
      return made;
    },
    hasFile: (path) => find(path)?.kind === 'file',
    links: () => {
      for (const link of links) follow(link);
      return links;
    },
  };
}
