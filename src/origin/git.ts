import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeSource, type Source } from '../domain/app.ts';
import { commitVersion } from '../domain/commit-version.ts';
import { FettleError } from '../domain/errors.ts';
import { gitAddressProblem, gitRefProblem, isTagPattern } from '../domain/git-address.ts';
import { newestFirst, readVersion } from '../domain/version.ts';
import { ADDRESS, createGit, type GitOptions } from './git-command.ts';

/**
 * A git repository, read with the machine's own git. One `git ls-remote` says what there is; what more is needed (dates,
 * subjects, files) is fetched into a bare mirror of ours, which may be removed at any time.
 */

export type GitSource = Extract<Source, { kind: 'git' }>;

/** A tag that is a release. */
export interface GitTag {
  readonly tag: string;
  readonly version: string;
  /** The tag's own object; the commit where it is a lightweight one. */
  readonly object: string;
  readonly commit: string;
}

/** What the source's reference leads to now. */
export type GitRefs =
  /** Newest first. */
  | { readonly kind: 'tags'; readonly tags: readonly GitTag[] }
  | { readonly kind: 'branch'; readonly branch: string; readonly tip: string };

export interface GitCommit {
  readonly commit: string;
  readonly version: string;
  /** When it was committed, milliseconds since 1970. */
  readonly at: number;
  readonly subject: string;
}

export interface GitWork {
  readonly signal: AbortSignal;
}

export interface GitOrigin {
  /**
   * One question to the repository.
   * @throws {FettleError} `source_unreachable` · `source_invalid`: no such branch or tag, an address that is not used
   */
  refs(source: GitSource, work: GitWork): Promise<GitRefs>;
  /**
   * The newest commits of references, without files where the server can leave them out.
   * @param refs full names (`refs/heads/main`)
   * @returns the mirror
   * @throws {FettleError} as {@link refs}
   */
  fetchCommits(source: GitSource, refs: readonly string[], work: GitWork): Promise<string>;
  /**
   * A commit with its files.
   * @param history with everything that leads to it: an older commit than the reference's own is wanted
   */
  fetchFiles(
    source: GitSource,
    ref: string,
    work: GitWork & {
      readonly history: boolean;
      readonly deadlineMs: number;
      readonly onError?: ((text: string) => void) | undefined;
    },
  ): Promise<string>;
  /** Commits that lead to `to`, newest first; those before `from` and its own are left out. */
  log(
    source: GitSource,
    options: GitWork & { readonly to: string; readonly from?: string | undefined; readonly limit: number },
  ): Promise<readonly GitCommit[]>;
  /** Runs git on the mirror. */
  ask(
    source: GitSource,
    args: readonly string[],
    work: GitWork & {
      readonly deadlineMs?: number | undefined;
      readonly maxOutput?: number | undefined;
      readonly onError?: ((text: string) => void) | undefined;
    },
  ): Promise<string>;
  /** Gives back what earlier fetches left, where that is worth it. Never throws: such a mirror is only larger. */
  tidy(source: GitSource, work: GitWork): Promise<void>;
  /** Where the mirror of a source is, whether or not it is there. */
  mirror(source: GitSource): string;
}

/** How long one question may take, milliseconds. */
const ASK_MS = 60_000;
const TIDY_MS = 5 * 60_000;
/** Lines of refs: 200,000 tags. */
const MAX_REFS = 20_000_000;
/** Commits of a reference that are looked at, and offered for a branch. */
export const DEPTH = 50;

export function createGitOrigin(options: GitOptions & { readonly askMs?: number | undefined }): GitOrigin {
  const git = createGit(options);
  const askMs = options.askMs ?? ASK_MS;
  const mirror = (source: GitSource) =>
    join(
      options.folder,
      createHash('sha256')
        .update(`${source.url} ${source.ref ?? ''}`)
        .digest('hex')
        .slice(0, 16),
    );

  const about = (source: GitSource) => ({ source: describeSource(source), url: source.url });

  const checked = (source: GitSource) => {
    const problem = gitAddressProblem(source.url) ?? (source.ref === undefined ? undefined : gitRefProblem(source.ref));
    if (problem !== undefined) {
      throw new FettleError('source_invalid', { data: { source: describeSource(source), reason: problem } });
    }
  };

  const open = async (source: GitSource, signal: AbortSignal): Promise<string> => {
    checked(source);
    const folder = mirror(source);
    if (existsSync(join(folder, 'HEAD'))) {
      removeLocks(folder);
      return folder;
    }
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const run = { ...about(source), signal, deadlineMs: askMs };
    await git.run(['init', '--quiet', '--bare', '--template=', folder], run);
    mkdirSync(join(folder, 'info'), { recursive: true });
    // Exactly what was committed: no file left out, none converted, no program of the repository's attributes run.
    writeFileSync(
      join(folder, 'info', 'attributes'),
      '* -export-ignore -export-subst -text -filter -ident -working-tree-encoding\n',
    );
    return folder;
  };

  const fetch = async (
    source: GitSource,
    args: readonly string[],
    refs: readonly string[],
    work: GitWork & { readonly deadlineMs: number; readonly onError?: ((text: string) => void) | undefined },
  ): Promise<string> => {
    const folder = await open(source, work.signal);
    const flags = ['--no-tags', '--force', '--no-write-fetch-head', '--no-recurse-submodules', '--progress'];
    const specs = refs.map((ref) => `+${ref}:${ref}`);
    const run = { ...about(source), ...work, mirror: folder };
    await git.run(['fetch', ...flags, ...args, '--end-of-options', ADDRESS, ...specs], run);
    return folder;
  };

  return {
    mirror,
    async refs(source, { signal }) {
      checked(source);
      const { ref } = source;
      const wanted =
        ref === undefined
          ? ['HEAD', 'refs/tags/*']
          : isTagPattern(ref)
            ? [`refs/tags/${ref}`]
            : ['HEAD', `refs/heads/${ref}`, `refs/tags/${ref}`, `refs/tags/${ref}^{}`];
      const text = await git.run(['ls-remote', '--symref', '--end-of-options', ADDRESS, ...wanted], {
        ...about(source),
        signal,
        deadlineMs: askMs,
        maxOutput: MAX_REFS,
      });
      return readRefs(source, text);
    },
    async fetchCommits(source, refs, { signal }) {
      const args = [`--depth=${DEPTH}`, '--filter=tree:0'];
      const work = { signal, deadlineMs: askMs };
      try {
        return await fetch(source, args, refs, work);
      } catch (error) {
        // A plain web server can't leave anything out: then all of it.
        if (signal.aborted || !/dumb http|shallow capabilities/.test(String(error))) throw error;
        return await fetch(source, [], refs, work);
      }
    },
    async fetchFiles(source, ref, { history, ...work }) {
      const shallow = existsSync(join(mirror(source), 'shallow'));
      const args = history ? (shallow ? ['--unshallow'] : []) : ['--depth=1'];
      try {
        return await fetch(source, args, [ref], work);
      } catch (error) {
        if (work.signal.aborted || history || !/dumb http|shallow capabilities/.test(String(error))) throw error;
        return await fetch(source, [], [ref], work);
      }
    },
    async log(source, { to, from, limit, signal }) {
      const range = from === undefined ? [to] : [to, `^${from}`];
      const format = '--format=%H%x00%ct%x00%s';
      const run = { ...about(source), mirror: mirror(source), signal, deadlineMs: askMs, maxOutput: 10_000_000 };
      const text = await git.run(['log', '--first-parent', `-${limit}`, format, '--end-of-options', ...range], run);
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [commit = '', seconds = '', subject = ''] = line.split('\0');
          return {
            commit,
            version: commitVersion(commit, Number(seconds)),
            at: Number(seconds) * 1_000,
            subject: subject.slice(0, 200),
          };
        });
    },
    async tidy(source, { signal }) {
      const settings = ['gc.auto=2000', 'gc.autoPackLimit=20', 'gc.autoDetach=false', 'gc.pruneExpire=now'];
      const args = [...settings.flatMap((setting) => ['-c', setting]), 'gc', '--auto', '--quiet'];
      const run = { ...about(source), mirror: mirror(source), signal, deadlineMs: TIDY_MS };
      await git.run(args, run).catch(() => undefined);
    },
    ask: (source, args, { deadlineMs, ...work }) =>
      git.run(args, { ...about(source), ...work, mirror: mirror(source), deadlineMs: deadlineMs ?? askMs }),
  };
}

/**
 * What a release of a repository is known by: the commit, and of a tag its name and object, so that one that was
 * written anew is another release.
 */
export function gitDigest(commit: string, tag?: Pick<GitTag, 'tag' | 'object'>): string {
  const lines = ['fettle-git/1', `commit ${commit}`, ...(tag ? [`tag ${tag.tag} ${tag.object}`] : [])];
  return `sha256-${createHash('sha256')
    .update(`${lines.join('\n')}\n`)
    .digest('hex')}`;
}

/** Of the refs that ls-remote printed, those that the source means. */
function readRefs(source: GitSource, text: string): GitRefs {
  const objects = new Map<string, string>();
  let head: string | undefined;
  for (const line of text.split('\n')) {
    const symbolic = /^ref: (refs\/heads\/\S+)\tHEAD$/.exec(line)?.[1];
    if (symbolic !== undefined) head = symbolic.slice('refs/heads/'.length);
    const [, object, name] = /^([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)$/.exec(line) ?? [];
    if (object !== undefined && name !== undefined) objects.set(name, object);
  }
  const invalid = (reason: string) =>
    new FettleError('source_invalid', { data: { source: describeSource(source), reason } });
  const { ref } = source;
  const branch = (name: string): GitRefs | undefined => {
    const tip = objects.get(`refs/heads/${name}`) ?? (name === head ? objects.get('HEAD') : undefined);
    return tip === undefined ? undefined : { kind: 'branch', branch: name, tip };
  };
  if (ref !== undefined && !isTagPattern(ref)) {
    const found = branch(ref);
    if (found) return found;
    const tags = tagsOf(objects, ref);
    if (tags.length > 0) return { kind: 'tags', tags };
    throw invalid(
      objects.has(`refs/tags/${ref}`)
        ? `its tag ${ref} is no version, such as v1.2.3`
        : `it has neither a branch nor a tag ${ref}`,
    );
  }
  const tags = tagsOf(objects, ref);
  if (tags.length > 0 || ref !== undefined) return { kind: 'tags', tags };
  const found = head === undefined ? undefined : branch(head);
  if (found) return found;
  throw invalid('it has no tags that are versions, and no default branch: name one (source: git URL BRANCH)');
}

/** Tags that are versions; where two are the same one (`1.2.3`, `v1.2.3`), the first by name. */
function tagsOf(objects: ReadonlyMap<string, string>, pattern: string | undefined): readonly GitTag[] {
  const expression = new RegExp(
    `^${(pattern ?? '*').replace(/[.*+?^${}()|[\]\\]/g, (c) => (c === '*' ? '.*' : c === '?' ? '.' : `\\${c}`))}$`,
  );
  const literal = (pattern ?? '').split(/[*?]/)[0] ?? '';
  const byVersion = new Map<string, GitTag>();
  for (const [name, object] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith('refs/tags/') || name.endsWith('^{}')) continue;
    const tag = name.slice('refs/tags/'.length);
    if (!expression.test(tag)) continue;
    // `web-v1.2.3` by `web-*`: what stands before the pattern is not of the version.
    const version = readVersion(tag) ?? readVersion(tag.slice(literal.length));
    if (version === undefined || version.length > 100 || byVersion.has(version)) continue;
    byVersion.set(version, { tag, version, object, commit: objects.get(`${name}^{}`) ?? object });
  }
  return newestFirst([...byVersion.keys()]).map((version) => byVersion.get(version) as GitTag);
}

/**
 * Locks and half packs of a git that was killed. Nobody else works on a mirror: a source is asked once at a time, and
 * an app has one update.
 */
function removeLocks(folder: string): void {
  const at = (path: string, pattern: RegExp, deep: boolean) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isFile() && pattern.test(entry.name)) rmSync(join(path, entry.name), { force: true });
      else if (deep && entry.isDirectory()) at(join(path, entry.name), pattern, true);
    }
  };
  at(folder, /\.lock$/, false);
  if (existsSync(join(folder, 'refs'))) at(join(folder, 'refs'), /\.lock$/, true);
  const packs = join(folder, 'objects', 'pack');
  if (existsSync(packs)) at(packs, /^tmp_|\.lock$/, false);
}
