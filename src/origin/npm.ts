import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FettleError, toFettleError } from '../domain/errors.ts';
import { type ChildResult, runChild, type Spawn } from './child.ts';
import { registryOf } from './npm-environment.ts';
import { npmError, readStale } from './npm-errors.ts';
import type { NpmSignatures } from './npm-signatures.ts';

export { cleanNpmEnvironment, npmrcFiles, writeNpmrc } from './npm-environment.ts';

/**
 * An npm registry, read by Fettle's own npm as a child: it knows scopes, credentials, proxies, certificates and
 * conditional requests, and people have configured it already.
 */

export interface NpmOriginOptions {
  /** A Node ≥ 24.15 (or ≥ 22.22.2) that runs npm. */
  readonly node: string;
  /** `npm-cli.js` of our own npm. */
  readonly npmCli: string;
  /** npm's cache: a folder of ours. It holds ETags, so that a second question is a conditional one. */
  readonly cache: string;
  /** Written by `writeNpmrc`. */
  readonly npmrc: string;
  /** From `cleanNpmEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** For one question, milliseconds. */
  readonly deadlineMs?: number | undefined;
  readonly spawn?: Spawn | undefined;
  /** Checks the registry's signatures of what is read fresh. */
  readonly signatures?: NpmSignatures | undefined;
}

/** What a registry says about a package. */
export interface NpmVersions {
  readonly tags: Readonly<Record<string, string>>;
  readonly versions: readonly string[];
  /** Version → ISO 8601. Old registries leave it out. */
  readonly times: Readonly<Record<string, string>>;
}

/** One version of a package. */
export interface NpmRelease {
  readonly version: string;
  /** `sha512-…` (Subresource Integrity), the strongest that the registry names. */
  readonly integrity: string;
  /** Bytes when unpacked, without dependencies; where the registry says so. */
  readonly unpackedSize?: number | undefined;
  /** Without credentials and query. */
  readonly tarball?: string | undefined;
}

export interface NpmOrigin {
  /**
   * One upstream request, conditional (If-None-Match) where the cache has an answer.
   * @throws {FettleError} `source_unreachable`, `source_invalid`
   */
  versions(name: string, options: { readonly signal: AbortSignal }): Promise<NpmVersions>;
  /**
   * Reads from npm's cache where that knows the package (so after {@link versions}, without a request), else asks.
   * @param options.fresh ask the registry even so: one conditional request. What a device does before it trusts.
   * @throws {FettleError} `source_unreachable`, `source_invalid`; of what is fresh `artifact_unverified`: its registry's signature does not fit
   */
  release(
    name: string,
    version: string,
    options: { readonly signal: AbortSignal; readonly fresh?: boolean | undefined },
  ): Promise<NpmRelease>;
}

const Versions = z.object({
  'dist-tags': z.record(z.string(), z.string()).default({}),
  // npm prints a list of one as its only element.
  versions: z.union([z.array(z.string()), z.string().transform((version) => [version])]).default([]),
  time: z.record(z.string(), z.string()).default({}),
});

const Manifest = z.object({
  version: z.string(),
  dist: z.object({
    integrity: z.string().optional(),
    tarball: z.string().optional(),
    unpackedSize: z.number().nonnegative().optional(),
    signatures: z
      .array(z.object({ keyid: z.string(), sig: z.string() }))
      .max(20)
      .default([]),
  }),
  time: z.record(z.string(), z.string()).default({}),
});

/** 30 MB: the largest packuments' version lists are about 1 MB. */
const MAX_OUTPUT = 30_000_000;

export function createNpmOrigin(options: NpmOriginOptions): NpmOrigin {
  const deadlineMs = options.deadlineMs ?? 60_000;
  // npm takes `.npmrc` of the project that it finds above its folder; `--prefix` says that this one is it.
  const nowhere = join(options.cache, 'no-project');

  const view = async (
    source: string,
    args: readonly string[],
    signal: AbortSignal,
    from: 'registry' | 'cache' = 'registry',
  ): Promise<unknown> => {
    let result: ChildResult;
    try {
      mkdirSync(nowhere, { recursive: true, mode: 0o700 });
      result = await runChild({
        command: options.node,
        args: [
          ...[options.npmCli, 'view', ...args, '--json'],
          ...npmFlags(options, nowhere),
          ...['--fetch-retries=0', '--loglevel=http'],
          ...(from === 'cache' ? ['--prefer-offline'] : []),
        ],
        cwd: nowhere,
        env: options.env,
        signal,
        deadlineMs,
        maxOutput: MAX_OUTPUT,
        spawn: options.spawn,
      });
    } catch (error) {
      throw toFettleError(error, 'source_unreachable', { source });
    }
    if (result.code !== 0 || result.stopped) throw npmError(source, result, deadlineMs);
    const stale = from === 'registry' ? readStale(result) : undefined;
    if (stale) throw npmError(source, result, deadlineMs, stale);
    try {
      const parsed: unknown = JSON.parse(result.stdout);
      // npm 12 answers for `name@version` with a list of matches.
      return Array.isArray(parsed) ? parsed[0] : parsed;
    } catch (error) {
      // Nothing at all is what npm prints for a version that is not there.
      const reason = result.stdout.trim() === '' ? 'the registry has no such version' : 'npm did not answer in JSON';
      throw new FettleError('source_invalid', { data: { source, reason }, cause: error });
    }
  };

  return {
    versions: async (name, { signal }) => {
      const source = `npm ${name}`;
      const found = Versions.safeParse(await view(source, [name, 'dist-tags', 'versions', 'time'], signal));
      if (!found.success) {
        throw new FettleError('source_invalid', {
          data: { source, reason: 'the registry answered, but not as npm registries do' },
          cause: found.error,
        });
      }
      return { tags: found.data['dist-tags'], versions: found.data.versions, times: found.data.time };
    },
    release: async (name, version, { signal, fresh }) => {
      const source = `npm ${name}`;
      // When it was published is needed only to judge its signature.
      const args = [`${name}@${version}`, 'version', 'dist', ...(fresh && options.signatures ? ['time'] : [])];
      const found = Manifest.safeParse(await view(source, args, signal, fresh ? 'registry' : 'cache'));
      if (!found.success || found.data.version !== version) {
        throw new FettleError('source_invalid', {
          data: { source, version, reason: `the registry does not describe version ${version}` },
          cause: found.error,
        });
      }
      const { dist } = found.data;
      const integrity = strongest(dist.integrity ?? '');
      if (!integrity) {
        throw new FettleError('source_invalid', {
          data: { source, version, reason: `the registry gives no sha256 or sha512 for version ${version}` },
        });
      }
      if (fresh && options.signatures) {
        const { signatures } = dist;
        const signed = {
          name,
          version,
          integrity: dist.integrity ?? '',
          signatures,
          publishedAt: found.data.time[version],
        };
        await options.signatures.check(registryOf(options.npmrc, name), signed, signal);
      }
      return { version, integrity, unpackedSize: dist.unpackedSize, tarball: withoutQuery(dist.tarball) };
    },
  };
}

/** What every npm child of ours is told, whatever npmrc says. */
export function npmFlags(options: { cache: string; npmrc: string }, prefix: string): string[] {
  return [
    `--prefix=${prefix}`,
    `--cache=${options.cache}`,
    `--userconfig=${options.npmrc}`,
    '--globalconfig=/dev/null',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--no-progress',
    '--color=false',
    '--logs-max=0',
    '--fetch-timeout=30000',
  ];
}

/** Of several hashes in one integrity text, the one to go by. */
export function strongest(integrity: string): string | undefined {
  const hashes = integrity.trim().split(/\s+/);
  return (
    hashes.find((h) => /^sha512-[A-Za-z0-9+/]{86}==$/.test(h)) ??
    hashes.find((h) => /^sha256-[A-Za-z0-9+/]{43}=$/.test(h))
  );
}

function withoutQuery(address: string | undefined): string | undefined {
  if (address === undefined || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return `${url.origin}${url.pathname}`;
}
