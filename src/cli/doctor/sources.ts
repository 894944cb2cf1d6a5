import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeSource, releasedAs, type Source } from '../../domain/app.ts';
import { newestEligible } from '../../domain/release.ts';
import { createRotationFile, type RotationStore } from '../../origin/key-rotation.ts';
import type { SeenNumbers } from '../../origin/seen.ts';
import { sourceKey } from '../../origin/source-key.ts';
import { createFeedSource } from '../../releases/feed.ts';
import { createFolderSource } from '../../releases/folder.ts';
import { createGitSource } from '../../releases/git.ts';
import { createNpmSource } from '../../releases/npm.ts';
import { type ReleaseSources, sourceOfKind } from '../../releases/release-source.ts';
import { gitTools } from '../git-tools.ts';
import { npmTools } from '../npm-tools.ts';
import { showError } from '../show-error.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

const ASK_MS = 15_000;
const SOON_MS = 14 * 86_400_000;

interface Asked {
  readonly source: Source;
  readonly app: string;
  readonly keys: readonly string[];
  /** Apps that share it, with their channels. */
  readonly users: { readonly app: string; readonly channel: string }[];
}

/** Asks each source once: does it answer, and has it anything for the apps? */
export const sources: Check = {
  title: 'Sources',
  limitMs: 40_000,
  async *look(facts, signal) {
    const known = distinct(facts);
    if (known.length === 0) yield note('No app has a source.');
    const asked = known.filter(({ source }) => !facts.offline || source.kind === 'folder');
    if (asked.length < known.length) yield note(`Sources outside this machine were not asked (--offline)`);
    yield* proxies(facts, asked);
    // npm's settings and cache in a folder that goes again: doctor leaves nothing behind.
    const folder = mkdtempSync(join(tmpdir(), 'fettle-doctor-'));
    try {
      const seen: SeenNumbers = { highest: async () => undefined, saw: async () => undefined };
      const { accepted } = createRotationFile(facts.layout.hub.rotations);
      const rotations: RotationStore = { accepted, accept: async () => undefined };
      const { origin } = npmTools(facts.environment, folder);
      const all: ReleaseSources = {
        npm: createNpmSource({ origin }),
        folder: createFolderSource({ seen, rotations }),
        feed: createFeedSource({ seen, rotations, fetch: globalThis.fetch }),
        git: createGitSource({ origin: gitTools(facts.environment, join(folder, 'git')) }),
      };
      for (const findings of await Promise.all(asked.map((one) => ask(all, one, facts, signal)))) yield* findings;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function distinct({ config }: Facts): Asked[] {
  const all = new Map<string, Asked>();
  const self = config ? { [releasedAs('hub')]: config.fettle } : {};
  for (const [app, { source, keys, channel }] of Object.entries({ ...config?.apps, ...self })) {
    if (!source) continue;
    const key = sourceKey(source, app);
    const known: Asked = all.get(key) ?? { source, app, keys, users: [] };
    known.users.push({ app, channel });
    all.set(key, known);
  }
  return [...all.values()];
}

async function ask(
  all: ReleaseSources,
  { source, app, keys, users }: Asked,
  facts: Facts,
  signal: AbortSignal,
): Promise<Finding[]> {
  const name = describeSource(source);
  const began = facts.clock.monotonic();
  const limit = AbortSignal.timeout(ASK_MS);
  try {
    const answer = await sourceOfKind(all, source.kind).read(source, {
      app,
      keys,
      signal: AbortSignal.any([signal, limit]),
    });
    if (answer === 'unchanged') return [];
    const findings: Finding[] = [ok(`${name} answers (${Math.round(facts.clock.monotonic() - began)} ms)`)];
    for (const user of users) {
      if (newestEligible(answer.offer, user.channel)) continue;
      const channels = Object.keys(answer.offer.channels).join(', ') || 'none';
      findings.push(
        wrong(
          `${name} has no release on the channel ${user.channel} of ${user.app} (it has: ${channels})`,
          `Publish one, or change apps.${user.app}.channel.`,
        ),
      );
    }
    const left = answer.expiresAt === undefined ? undefined : answer.expiresAt - facts.clock.now();
    if (left !== undefined && left < SOON_MS) {
      const when = new Date(answer.expiresAt ?? 0).toISOString().slice(0, 10);
      const mend = 'Publish it anew (`fettle publish`).';
      findings.push(
        left < 0 ? wrong(`${name} has expired on ${when}`, mend) : note(`${name} expires on ${when}`, mend),
      );
    }
    return findings;
  } catch (error) {
    if (limit.aborted)
      return [
        wrong(`${name} did not answer within ${ASK_MS / 1_000} s`, 'Look at the network, the proxy and the address.'),
      ];
    return [wrong(await showError(error))];
  }
}

function* proxies({ environment }: Facts, asked: readonly Asked[]): Generator<Finding> {
  const set = Object.entries(environment.all).filter(([name, value]) => /^(https?|all)_proxy$/i.test(name) && value);
  for (const [name, value] of set) {
    if (!isAddress(value ?? '')) yield wrong(`${name} is not an address`, `Set it to http://HOST:PORT, or remove it.`);
  }
  const feeds = asked.filter(({ source }) => source.kind === 'feed').map(({ app }) => app);
  if (set.length > 0 && feeds.length > 0) {
    yield note(
      `${set.map(([name]) => name).join(', ')} is set, but feeds are asked without a proxy (${feeds.join(', ')})`,
      'Where the feed is not reachable directly, mirror it into a folder or an npm registry.',
    );
  }
}

function isAddress(text: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
