import { createHash } from 'node:crypto';
import { z } from 'zod';
import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { ForgeSource } from '../domain/forge.ts';
import { tagsOfVersion, versionOfTag } from '../domain/tag-version.ts';
import { compareVersions } from '../domain/version.ts';
import { type ApiAnswer, askApi, type ForgeDeps } from './forge-api.ts';

/** Releases as GitHub and Gitea tell them. Drafts are none; tags without a release are none either. */

export interface ForgeAsset {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** Lower-case hex, where the API says it. */
  readonly sha256?: string | undefined;
  /** For browsers, and for mirrors: needs no token where the repository is public. */
  readonly url: string;
  /** GitHub's address for programs with a token. */
  readonly apiUrl?: string | undefined;
}

export interface ForgeRelease {
  readonly tag: string;
  readonly version: string;
  readonly prerelease: boolean;
  /** Milliseconds since 1970. */
  readonly publishedAt?: number | undefined;
  readonly notes: string;
  readonly assets: readonly ForgeAsset[];
  /** Files that somebody is uploading still. */
  readonly uploading: readonly string[];
  /** The address of the API that said so. */
  readonly base: string;
}

/**
 * Releases of a page: Gitea answers no more than 50 at once unless it is set up otherwise. The smaller one is for
 * repositories with hundreds of files a release, whose pages would be too large.
 */
const PAGE_SIZES = [50, 10] as const;
/** Pages that are read, at most, to find {@link ENOUGH} releases that fit. */
const MAX_PAGES = 10;
const ENOUGH = 100;
const MAX_NOTES = 20_000;
/** GitHub takes 1,000 files a release. */
const MAX_ASSETS = 2_000;

const count = z.number().int().nonnegative();
const Asset = z.object({
  id: count,
  name: z.string(),
  size: count,
  state: z.string().optional(),
  digest: z.string().nullish(),
  url: z.string().nullish(),
  browser_download_url: z.string(),
});
const Release = z.object({
  tag_name: z.string(),
  name: z.string().nullish(),
  body: z.string().nullish(),
  draft: z.boolean(),
  prerelease: z.boolean(),
  published_at: z.string().nullish(),
  assets: z.array(Asset).max(MAX_ASSETS),
});
const Page = z.array(Release);

/** What the next question to the list is conditional on: kept as one text. */
const Mark = z.object({
  base: z.string(),
  etag: z.string().optional(),
  hash: z.string(),
  /** Of the page that it is of. */
  size: z.literal(PAGE_SIZES).default(PAGE_SIZES[0]),
});

/**
 * The newest releases: one request where nothing has changed since `mark`.
 *
 * @returns the newest version first; without `releases` where nothing has changed. `mark` is for the next question
 * @throws {FettleError} those of {@link askApi}
 */
export async function listReleases(deps: ForgeDeps, source: ForgeSource, options: ListOptions): Promise<Listed> {
  const before = readMark(options.mark);
  const [usual, small] = PAGE_SIZES;
  try {
    return await listPages(deps, source, options, before, before?.size ?? usual);
  } catch (error) {
    const tooLarge = error instanceof FettleError && error.data.limit !== undefined;
    if (!tooLarge || before?.size === small) throw error;
    return await listPages(deps, source, options, undefined, small);
  }
}

interface ListOptions {
  readonly mark?: string | undefined;
  readonly signal: AbortSignal;
}

interface Listed {
  readonly releases?: readonly ForgeRelease[] | undefined;
  readonly mark: string;
}

async function listPages(
  deps: ForgeDeps,
  source: ForgeSource,
  options: ListOptions,
  before: z.infer<typeof Mark> | undefined,
  size: (typeof PAGE_SIZES)[number],
): Promise<Listed> {
  const etag = before?.etag === undefined ? undefined : { base: before.base, etag: before.etag };
  const found = new Map<string, ForgeRelease>();
  let mark = '';
  let base: string | undefined;
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const answer = await askApi(deps, source, {
      path: `releases?${source.kind === 'github' ? 'per_page' : 'limit'}=${size}&page=${page}`,
      etag: page === 1 ? etag : undefined,
      // Pages of two servers need not fit together.
      base,
      signal: options.signal,
    });
    if (!answer) break;
    if (answer.json === undefined) return { mark: options.mark ?? '' };
    base = answer.base;
    const read = parse(Page, answer, source);
    if (page === 1) {
      // Gitea has no ETag; and GitHub's changes with each download that it counts.
      const hash = createHash('sha256').update(JSON.stringify(read)).digest('hex');
      mark = JSON.stringify({ base, etag: answer.etag, hash, size });
      if (hash === before?.hash) return { mark };
    }
    for (const one of read) {
      const release = toRelease(source, one, answer.base);
      if (!release) continue;
      const other = found.get(release.version);
      if (other === undefined || rank(source, release) < rank(source, other)) found.set(release.version, release);
    }
    const more = answer.more ?? read.length >= size;
    if (!more || read.length === 0 || found.size >= ENOUGH) break;
  }
  const releases = [...found.values()].sort((a, b) => compareVersions(b.version, a.version));
  return { releases, mark };
}

/**
 * One release, asked for by the tags that its version may have; by the list where they are unusual.
 *
 * @returns `undefined` where there is none
 * @throws {FettleError} those of {@link askApi}
 */
export async function releaseOf(
  deps: ForgeDeps,
  source: ForgeSource,
  version: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<ForgeRelease | undefined> {
  for (const tag of tagsOfVersion(version, source.tags)) {
    const answer = await askApi(deps, source, { path: `releases/tags/${encodeURIComponent(tag)}`, signal });
    if (answer?.json === undefined) continue;
    const release = toRelease(source, parse(Release, answer, source), answer.base);
    if (release && release.tag === tag) return release;
  }
  const listed = await listReleases(deps, source, { signal });
  return listed.releases?.find((release) => release.version === version);
}

/** Where two tags are one version, that which {@link releaseOf} would take. */
function rank(source: ForgeSource, { tag, version }: ForgeRelease): number {
  const at = tagsOfVersion(version, source.tags).indexOf(tag);
  return at < 0 ? Number.MAX_SAFE_INTEGER : at;
}

function toRelease(source: ForgeSource, one: z.infer<typeof Release>, base: string): ForgeRelease | undefined {
  if (one.draft) return undefined;
  const version = versionOfTag(one.tag_name, source.tags);
  if (version === undefined) return undefined;
  const time = Date.parse(one.published_at ?? '');
  const title = one.name?.trim() ?? '';
  const body = (one.body ?? '').replace(/\r\n?/g, '\n').trim();
  const named = title === '' || title === one.tag_name || body.startsWith(title) ? '' : title;
  const uploaded = (asset: z.infer<typeof Asset>) => asset.state === undefined || asset.state === 'uploaded';
  return {
    tag: one.tag_name,
    version,
    prerelease: one.prerelease,
    publishedAt: Number.isNaN(time) ? undefined : time,
    notes: [named, body].filter(Boolean).join('\n').slice(0, MAX_NOTES),
    assets: one.assets.filter((asset) => uploaded(asset) && isPlain(asset.name)).map(toAsset),
    uploading: one.assets.filter((asset) => !uploaded(asset)).map(({ name }) => name),
    base,
  };
}

function toAsset(asset: z.infer<typeof Asset>): ForgeAsset {
  return {
    id: asset.id,
    name: asset.name,
    size: asset.size,
    sha256: /^sha256:([0-9a-f]{64})$/i.exec(asset.digest ?? '')?.[1]?.toLowerCase(),
    url: asset.browser_download_url,
    apiUrl: asset.url ?? undefined,
  };
}

/** A name that can be one of a file of ours. */
function isPlain(name: string): boolean {
  return name.length > 0 && name.length <= 200 && ![...name].some((c) => c === '/' || c < ' ' || c === '\x7f');
}

function parse<T>(schema: z.ZodType<T>, { json }: ApiAnswer, source: ForgeSource): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.') || 'the top';
  const reason = `its answer is not what the API of releases says (${where}: ${issue?.message ?? 'unknown'})`.slice(
    0,
    200,
  );
  throw new FettleError('source_invalid', { data: { source: describeSource(source), reason }, cause: result.error });
}

function readMark(text: string | undefined): z.infer<typeof Mark> | undefined {
  try {
    return text === undefined ? undefined : Mark.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
