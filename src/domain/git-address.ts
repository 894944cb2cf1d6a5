import { isLoopback } from './loopback.ts';

/**
 * Where a git repository may be: https, ssh, a folder of this machine; http only to this machine itself. Whatever else
 * git would understand (`ext::` runs a program) is refused, and so is what it would take for an option. Pure.
 */

/** What is wrong with the address of a repository, in words for people; `undefined` where nothing is. */
export function gitAddressProblem(address: string): string | undefined {
  if (address === '') return 'expected the address of a git repository';
  if (address.startsWith('-')) return 'the address of a repository does not start with -';
  if ([...address].some((c) => c <= ' ' || c === '\x7f')) return 'an address has no spaces or control characters';
  if (isFolder(address)) return undefined;
  const short = /^([A-Za-z0-9_.][\w.-]*@)?([A-Za-z0-9_][\w.-]*):(?!\/\/|:)[^:]/.exec(address);
  if (short) return undefined;
  if (!URL.canParse(address)) return 'expected https://…, ssh://…, git@HOST:PATH or a folder';
  const url = new URL(address);
  switch (url.protocol) {
    case 'https:':
    case 'file:':
      return undefined;
    case 'ssh:':
      return url.hostname.startsWith('-') || url.username.startsWith('-')
        ? 'the name of a host does not start with -'
        : undefined;
    case 'http:':
      return isLoopback(url.hostname) ? undefined : 'http is used to this machine itself only; use https';
    default:
      return `${url.protocol.slice(0, -1)} is not used for git, only https, ssh and folders`;
  }
}

/** What is wrong with a branch, tag or pattern of tags; `undefined` where nothing is. */
export function gitRefProblem(ref: string): string | undefined {
  // `git check-ref-format`, with `*` and `?` for patterns.
  const good =
    /^[A-Za-z0-9_*?@+][\w.*?@+/#%=,-]{0,199}$/.test(ref) && !/\.\.|\/\/|@\{|\/\.|\.lock(\/|$)|[/.]$|^@$/.test(ref);
  return good ? undefined : 'expected a branch (main), a tag, or a pattern of tags (v*)';
}

/** Is this a pattern of tags rather than a name? */
export function isTagPattern(ref: string): boolean {
  return /[*?]/.test(ref);
}

/** Is the address a folder's path (`/srv/git/web`, `./web`, `~/web` is not)? */
export function isFolder(address: string): boolean {
  return /^\.{0,2}\//.test(address) || address === '.' || address === '..';
}

/** For people: without user, password, query and fragment. */
export function showGitAddress(address: string): string {
  if (isFolder(address)) return address;
  if (!/^[a-z]+:\/\//.test(address)) return address.replace(/^[^@/]*@/, '');
  if (!URL.canParse(address)) return 'an address';
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
