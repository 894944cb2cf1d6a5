import { isLoopback } from './loopback.ts';

/** Repositories with releases on GitHub, or on a server that speaks Gitea's API (Forgejo, Codeberg). Pure. */

export interface ForgeOptions {
  /** `OWNER/REPO`. */
  readonly repo: string;
  /** Which tags are releases, as a pattern (`v*`). All that are versions unless given. */
  readonly tags?: string | undefined;
  /** Addresses of the API, one after the other where one does not answer. What they say of digests is believed. */
  readonly api?: readonly string[] | undefined;
  /** Where files may be downloaded too, asked before the origin. Nothing that they say is believed. */
  readonly mirrors?: readonly string[] | undefined;
  /** Absolute path of a file with the token. */
  readonly tokenFile?: string | undefined;
  /** platform → pattern of the file's name. */
  readonly assets?: Readonly<Record<string, string>> | undefined;
}

export type ForgeSource =
  | ({ readonly kind: 'github' } & ForgeOptions)
  /** `url`: the server's own address, without a `/` at its end. */
  | ({ readonly kind: 'gitea'; readonly url: string } & ForgeOptions);

/** Is this a repository with releases? */
export function isForge<S extends { readonly kind: string }>(source: S): source is Extract<S, ForgeSource> {
  return source.kind === 'github' || source.kind === 'gitea';
}

/** GitHub's own API. */
export const GITHUB_API = 'https://api.github.com';

/** Where the API is, the first to be asked first. */
export function apiAddresses(source: ForgeSource): readonly string[] {
  if (source.api !== undefined && source.api.length > 0) return source.api;
  return [source.kind === 'github' ? GITHUB_API : `${source.url}/api/v1`];
}

/** As configuration writes it. */
export function describeForge(source: ForgeSource): string {
  const where = source.kind === 'github' ? source.repo : `${source.url}/${source.repo}`;
  return `${source.kind} ${where}${source.tags === undefined ? '' : ` ${source.tags}`}`;
}

const REPO = /^[A-Za-z0-9_][\w.-]{0,99}\/(?!\.{1,2}$)[\w.-]{1,100}$/;

/** `OWNER/REPO`, also as its page's address. @returns what is wrong with it as `{problem}` */
export function readGithubRepo(text: string): { readonly repo: string } | { readonly problem: string } {
  const repo = withoutGit(text.replace(/^(https:\/\/)?(www\.)?github\.com\//, ''));
  if (REPO.test(repo)) return { repo };
  return /^https?:/.test(text)
    ? { problem: 'expected OWNER/REPO; for a GitHub of your own {github: OWNER/REPO, api: https://HOST/api/v3}' }
    : { problem: 'expected `github OWNER/REPO`, such as `github acme/robot`' };
}

/** The address of a repository on a Gitea server. @returns what is wrong with it as `{problem}` */
export function readGiteaRepo(
  text: string,
): { readonly url: string; readonly repo: string } | { readonly problem: string } {
  const problem = hostProblem(text);
  if (problem !== undefined) return { problem: `expected \`gitea https://HOST/OWNER/REPO\`: ${problem}` };
  const url = new URL(text);
  if (/(^|\.)gitee\.com$/.test(url.hostname)) {
    return { problem: 'Gitee speaks another API than Gitea: use `git URL v*` for its tags, or a feed' };
  }
  if (/(^|\.)github\.com$/.test(url.hostname)) return { problem: 'expected `github OWNER/REPO` for GitHub' };
  const parts = withoutGit(url.pathname.slice(1)).split('/');
  const repo = parts.slice(-2).join('/');
  if (!REPO.test(repo) || url.search !== '' || url.hash !== '') {
    return { problem: 'expected `gitea https://HOST/OWNER/REPO`, such as `gitea https://codeberg.org/acme/robot`' };
  }
  return { url: [url.origin, ...parts.slice(0, -2)].join('/'), repo };
}

/** What is wrong with the address of a server; `undefined` where nothing is. */
export function hostProblem(address: string): string | undefined {
  if (!URL.canParse(address)) return 'this is not an address';
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') return 'an address with a name or password in it is not used';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol !== 'http:') return 'only https is used';
  return isLoopback(url.hostname) ? undefined : 'http is used to this machine itself only; use https';
}

/** What is wrong with a mirror's address; `undefined` where nothing is. */
export function mirrorProblem(mirror: string): string | undefined {
  const [, after] = /\{(\w*)\}/.exec(mirror) ?? [];
  if (after !== undefined && after !== 'path' && after !== 'url') {
    return 'expected {path} or {url} in a mirror, or neither: then the whole address comes behind it';
  }
  return hostProblem(mirror.replace(/\{\w*\}/g, ''));
}

/**
 * Where a mirror has a file: `{url}` is its whole address, `{path}` the part behind the host (with its `/`). With
 * neither, the whole address comes behind the mirror's.
 */
export function mirrored(mirror: string, url: URL): string {
  if (mirror.includes('{path}')) return mirror.replace('{path}', () => url.pathname);
  if (mirror.includes('{url}')) return mirror.replace('{url}', () => url.href);
  return `${mirror.replace(/\/$/, '')}/${url.href}`;
}

function withoutGit(path: string): string {
  return path.replace(/\/$/, '').replace(/\.git$/, '');
}
