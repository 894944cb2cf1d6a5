import { existsSync, realpathSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { commitVersion } from '../../domain/commit-version.ts';
import { FettleError } from '../../domain/errors.ts';
import { showGitAddress } from '../../domain/git-address.ts';
import { readVersion } from '../../domain/version.ts';
import { gitDigest } from '../../origin/git.ts';
import type { AskProgram } from './ask.ts';
import type { Found } from './contract.ts';
import { keptOfCheckout, parseStatus } from './keep.ts';
import { projectOf } from './project.ts';

/** A folder that git manages: its remote is the source, what git does not have is what may be data. */

/** Nothing of the repository's own settings may run a program while it is looked at; others may own it. */
const SAFE = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];

/** What a copy leaves out: git's own, and what tools make again for themselves. */
export const NOT_COPIED = [
  '.git',
  'node_modules/.cache',
  'target/debug',
  'target/release/deps',
  'target/release/build',
  'target/release/incremental',
  'target/release/.fingerprint',
  '.next/cache',
  'coverage',
];

/**
 * @param written files that running processes have open for writing
 * @throws {FettleError} `init_refused` where git is missing, or the folder is only a part of a checkout
 */
export async function findCheckout(root: string, ask: AskProgram, written: readonly string[]): Promise<Found> {
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path: root, reason, advice } });
  const git = async (...args: string[]) => {
    const answer = await ask('git', [...SAFE, ...args], root);
    if (answer === undefined) throw refuse('it is a git checkout, and there is no git here', 'Install git.');
    return answer.code === 0 ? answer.stdout : undefined;
  };
  const top = (await git('rev-parse', '--show-toplevel'))?.trim();
  if (top === undefined) throw refuse('git does not understand it as a checkout');
  if (realpathSync(top) !== root) throw refuse(`it is a part of the checkout ${top}`, `Name that: fettle init ${top}`);
  const commit = (await git('rev-parse', '--verify', 'HEAD'))?.trim();
  if (commit === undefined) throw refuse('it has no commit yet', 'Commit what runs, and push it.');
  const branch = (await git('symbolic-ref', '--quiet', '--short', 'HEAD'))?.trim();
  const status = parseStatus((await git('status', '--porcelain=v1', '-z', '--ignored=traditional')) ?? '');
  const files = ((await git('ls-files', '-z')) ?? '').split('\0');
  const tracked = (folder: string) => files.filter((file) => file.startsWith(`${folder}/`));
  const { keep, copied } = keptOfCheckout(root, status, tracked, written);
  const project = projectOf(root);
  const { remote, notes } = await remoteOf(root, git);
  const described = (await git('describe', '--tags', '--abbrev=0', '--exact-match'))?.trim();
  const seconds = Number((await git('log', '-1', '--format=%ct'))?.trim());
  const tag = branch === undefined ? described : undefined;
  const tagged = tag === undefined ? undefined : readVersion(tag);
  const object = tagged === undefined ? undefined : (await git('rev-parse', `refs/tags/${tag}`))?.trim();
  // As the source will name this very release, so that it is known to be there already.
  const release =
    tag !== undefined && tagged !== undefined && object !== undefined
      ? { version: tagged, digest: gitDigest(commit, { tag, object }) }
      : { version: commitVersion(commit, seconds), digest: gitDigest(commit) };
  if (status.changed.length > 0)
    notes.push(
      `${count(status.changed.length, 'file differs', 'files differ')} from the commit (${some(status.changed)}): the copy has that, the next release will not.`,
    );
  if (copied.length > 0)
    notes.push(`git does not have ${some(copied)}: copied, but not kept. \`--keep\` names what must outlive updates.`);
  if (branch === undefined && tagged === undefined)
    notes.push('No branch is checked out: `--source "git URL BRANCH"` says which one to follow.');
  const dirty = status.changed.length > 0;
  return {
    kind: 'checkout',
    path: root,
    what: `a git checkout${remote === undefined ? '' : ` of ${showGitAddress(remote)}`}, ${branch === undefined ? (tag ?? 'no branch') : `branch ${branch}`}, commit ${commit.slice(0, 7)}`,
    name: project.name ?? basename(root),
    source: remote === undefined ? undefined : `git ${remote}${branch === undefined ? '' : ` ${branch}`}`,
    build: project.build,
    run: project.run,
    env: project.env,
    version: release.version,
    // What was changed by hand is not that commit.
    digest: dirty ? `changed:${commit}` : release.digest,
    keep,
    without: NOT_COPIED,
    suggestions: project.suggestions,
    notes,
  };
}

async function remoteOf(
  root: string,
  git: (...args: string[]) => Promise<string | undefined>,
): Promise<{ remote: string | undefined; notes: string[] }> {
  const names = ((await git('remote')) ?? '').split('\n').filter((name) => name !== '');
  const name = names.includes('origin') ? 'origin' : names[0];
  const url = name === undefined ? undefined : (await git('remote', 'get-url', name))?.trim();
  if (url === undefined || url === '')
    return {
      remote: undefined,
      notes: ['The checkout has no remote: without `--source` it is kept running, but never updated.'],
    };
  // A folder on this machine is meant from the checkout, and read from the home.
  const local = !/^[a-z+]+:\/\/|^[^/]+:/i.test(url);
  return { remote: local ? resolve(root, url) : url, notes: [] };
}

export function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** The first few of a list, as people write it. */
export function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

/** Is there a checkout? */
export function isCheckout(folder: string): boolean {
  return existsSync(join(folder, '.git'));
}
