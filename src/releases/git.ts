import { createHash } from 'node:crypto';
import { type Offer, type Release, STABLE } from '../domain/release.ts';
import { DEPTH, type GitOrigin, type GitSource, type GitTag, gitDigest } from '../origin/git.ts';
import { channelOf, channelsOf } from './channels.ts';
import type { ReleaseSource } from './release-source.ts';

/** Tags or commits of a git repository. All of a branch is on the channel `stable`; of tags the prereleases are not. */
export function createGitSource(deps: { readonly origin: GitOrigin }): ReleaseSource<'git'> {
  const { origin } = deps;
  return {
    kind: 'git',
    read: async (source, { etag, signal }) => {
      const refs = await origin.refs(source, { signal });
      const hash = createHash('sha256').update(JSON.stringify(refs)).digest('hex');
      if (hash === etag) return 'unchanged';
      const offer =
        refs.kind === 'branch'
          ? await offerOfBranch(origin, source, refs.branch, signal)
          : await offerOfTags(origin, source, refs.tags, signal);
      await origin.tidy(source, { signal });
      return { offer, etag: hash };
    },
    resolve: async (_source, release) => release,
  };
}

/** Tags that are offered, the newest. */
const MAX_TAGS = 500;
/** Of so many is asked what is new in them. */
const TAGS_WITH_NOTES = 10;
/** Subjects in notes. */
const MAX_SUBJECTS = 20;
/** Characters of a tag's own message. */
const MAX_MESSAGE = 4_000;

async function offerOfBranch(
  origin: GitOrigin,
  source: GitSource,
  branch: string,
  signal: AbortSignal,
): Promise<Offer> {
  const ref = `refs/heads/${branch}`;
  await origin.fetchCommits(source, [ref], { signal });
  const commits = await origin.log(source, { to: ref, limit: DEPTH, signal });
  const releases = commits.map(
    (commit, index): Release => ({
      version: commit.version,
      channel: STABLE,
      digest: gitDigest(commit.commit),
      publishedAt: commit.at,
      notes: commits
        .slice(index, index + MAX_SUBJECTS)
        .map(({ commit: id, subject }) => `${id.slice(0, 7)} ${subject}`)
        .join('\n'),
      artifacts: [],
    }),
  );
  const [tip] = releases;
  return { releases, channels: tip ? { [STABLE]: tip.version } : {} };
}

async function offerOfTags(
  origin: GitOrigin,
  source: GitSource,
  all: readonly GitTag[],
  signal: AbortSignal,
): Promise<Offer> {
  const tags = all.slice(0, MAX_TAGS);
  const described = tags.slice(0, TAGS_WITH_NOTES);
  const about = new Map<string, { readonly at: number; readonly notes: string }>();
  if (described.length > 0) {
    const refs = described.map(({ tag }) => `refs/tags/${tag}`);
    await origin.fetchCommits(source, refs, { signal });
    for (const [index, tag] of described.entries()) {
      const before = described[index + 1];
      about.set(tag.version, await describe(origin, source, tag, before, signal));
    }
  }
  const releases = tags.map((tag): Release => {
    const known = about.get(tag.version);
    return {
      version: tag.version,
      channel: channelOf(tag.version),
      digest: gitDigest(tag.commit, tag),
      publishedAt: known?.at,
      notes: known?.notes || undefined,
      artifacts: [],
    };
  });
  return { releases, channels: channelsOf(releases) };
}

async function describe(
  origin: GitOrigin,
  source: GitSource,
  { tag, object, commit }: GitTag,
  before: GitTag | undefined,
  signal: AbortSignal,
): Promise<{ readonly at: number; readonly notes: string }> {
  const format = '--format=%(creatordate:unix)%00%(contents:subject)%00%(contents:body)';
  const text = await origin.ask(source, ['for-each-ref', '--count=1', format, `refs/tags/${tag}`], { signal });
  const [seconds = '0', subject = '', body = ''] = text.replace(/\n$/, '').split('\0');
  const message =
    object === commit
      ? ''
      : [subject, body.replace(/-----BEGIN (PGP|SSH)[\s\S]*$/, '').trim()].filter(Boolean).join('\n');
  const commits = await origin.log(source, { to: commit, from: before?.commit, limit: MAX_SUBJECTS, signal });
  const subjects = commits.map((c) => `${c.commit.slice(0, 7)} ${c.subject}`).join('\n');
  return {
    at: Number(seconds) * 1_000,
    notes: [message.slice(0, MAX_MESSAGE), subjects].filter((part) => part !== '').join('\n'),
  };
}
