import { randomBytes } from 'node:crypto';
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { commitVersion } from '../../src/domain/commit-version.ts';
import { writeDurably } from '../../src/files/durable.ts';
import { Index, statementDigest } from '../../src/origin/feed-format.ts';
import { gitDigest } from '../../src/origin/git.ts';
import { generateMinisignKey, type MinisignSecretKey } from '../../src/origin/minisign-secret.ts';
import { openKey } from '../../src/protocol/key.ts';
import type { AgentMessage, HubMessage, Order, OrderedRelease } from '../../src/protocol/messages.ts';
import { writeArchive } from '../support/artifact.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { program } from '../support/device-releases.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { freePort } from '../support/free-port.ts';
import { type GitServer, makeRepository, serveGit } from '../support/git.ts';
import { type HostileHub, startHostileHub } from '../support/hostile-hub.ts';
import { until } from '../support/until.ts';

/**
 * What an attacker gets who has the hub: a real agent with two signed apps, one app of a repository and a tool, before a
 * hub that holds the hub's key and says what it likes, and before servers that serve what it likes. Of each lie: the code
 * with which it is refused; and that nothing was started, stopped or written but what the agent notes of orders.
 */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const KEY = generateMinisignKey();
let device: Device;
let hub: HostileHub;
let feeds: FeedServer;
let repositories: GitServer;
let folder = '';
let id = '';
const commits = { main: '', other: '' };
let repository: ReturnType<typeof makeRepository>;

async function put(app: 'app' | 'other', version: string, key: MinisignSecretKey | undefined = KEY, to: string = app) {
  const path = join(folder, 'served', `${app}-${version}.tgz`);
  await writeArchive(path, [
    { name: 'server.mjs', content: program(version, 'good') },
    { name: 'data/store.json', content: '{"format":1,"notes":["kept"]}\n' },
  ]);
  const made = await publish({
    folder: join(folder, 'feeds', to),
    app,
    version,
    files: [{ platform: 'any', path }],
    clock,
    key,
  });
  return { version, channel: 'stable', digest: made.digest } satisfies OrderedRelease;
}

const file = (app: string) => join(folder, 'feeds', app, 'index.json');
const read = (app: string) => Index.parse(JSON.parse(readFileSync(file(app), 'utf8')));

const releases: Record<string, OrderedRelease> = {};

beforeAll(async () => {
  const otherPort = await freePort();
  device = await makeDevice({
    async other({ home, port }) {
      folder = home;
      for (const made of ['feeds', 'served']) mkdirSync(join(home, made));
      feeds = await serveFolder(join(home, 'feeds'));
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) releases[version] = await put('app', version);
      releases.other = await put('other', '2.0.0');
      repository = makeRepository(join(home, 'served', 'site'));
      commits.main = repository.commit({ 'server.mjs': program('1.0.0', 'good') });
      repository.git('checkout', '--quiet', '-b', 'evil');
      commits.other = repository.commit({ 'server.mjs': 'process.exit(1)' });
      repository.git('checkout', '--quiet', 'main');
      repositories = await serveGit(join(home, 'served'));
      const app = (name: string, at: number) => `
  ${name}:
    source: feed ${feeds.url}/${name}
    keys: [${KEY.publicKey.text}]
    run: node server.mjs
    env: {PORT: "${at}", API_TOKEN: very-secret-value-4711}
    keep: [data]
    healthy: {http: "http://127.0.0.1:${at}/version", version: .version, every: 50ms, checks: 2, for: 300ms}
    stop: {grace: 2s}`;
      return `apps:${app('app', port)}${app('other', otherPort)}
  site:
    source: git ${repositories.url}/site/.git main
    run: node server.mjs
`;
    },
  });
  await device.startAgent();
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    const update = await device.order(version === '1.0.0' ? 'install' : 'update', undefined, {
      release: releases[version],
    });
    expect((await device.outcome(update)).state).toBe('succeeded');
  }
  const update = await device.order('install', undefined, { app: 'other', release: releases.other });
  expect((await device.outcome(update)).state).toBe('succeeded');
  id = readFileSync(join(device.layout.agent.dir, 'id'), 'utf8').trim();
  // From here on the hub is somebody else's.
  hub = await startHostileHub(openKey(device.layout.hub.key), () =>
    readFileSync(`${device.layout.agent.key}.pub`, 'utf8'),
  );
  await device.stopAgent();
  writeDurably(device.layout.hub.port, `${hub.port}\n`);
  await device.keeper.ask('start', { app: 'agent' });
  await until('an inventory', () => hub.heard.some(({ type }) => type === 'inventory'), 60_000);
}, 240_000);
afterAll(async () => {
  await hub?.close();
  await feeds?.close();
  await repositories?.close();
  await device?.close();
});

/** Everything of the home but what is noted of orders, settings and starts: path → what it is, with its time. */
function written(): Record<string, string> {
  const found: Record<string, string> = {};
  const notes =
    /^(agent\/(journal|orders|audit|seen\.json|rotations|git|tools|settings\.json)|logs|feeds|served|keeper\/exits)/;
  const look = (path: string) => {
    for (const name of readdirSync(join(folder, path)).sort()) {
      const at = path === '' ? name : `${path}/${name}`;
      if (notes.test(at)) continue;
      const stat = lstatSync(join(folder, at));
      if (stat.isDirectory()) {
        // Where downloads are until they are proven; empty again afterwards.
        if (!/^apps\/\w+\/tmp$/.test(at)) found[at] = 'folder';
        look(at);
      } else if (at === 'keeper/keep.json') {
        // Written anew when a hold that never began is let go of.
        found[at] = readFileSync(join(folder, at), 'utf8');
      } else {
        found[at] = stat.isSymbolicLink() ? readlinkSync(join(folder, at)) : `${stat.size} ${stat.mtimeMs}`;
      }
    }
  };
  look('');
  return found;
}

async function running(): Promise<Record<string, string | undefined>> {
  const { apps } = await device.keeper.ask('status', {});
  return Object.fromEntries(Object.entries(apps).map(([app, { running }]) => [app, running?.startId]));
}

function order(more: Partial<Order> & { readonly [key: string]: unknown } = {}): HubMessage {
  const update = `u-${randomBytes(4).toString('hex')}`;
  const now = Date.now();
  return {
    type: 'order',
    now,
    order: {
      ...{ id: `o-${update}`, update, device: id, app: 'app', kind: 'update' },
      ...{ withData: false, backup: true, force: false, notBefore: now, expiresAt: now + 300_000 },
      ...more,
    },
  };
}

/** The code that an order came to: with its acknowledgement, or as the outcome of an update that went no further. */
async function verdict(message: HubMessage): Promise<string> {
  if (message.type !== 'order') throw new Error('an order is needed');
  await hub.say(message);
  const { update } = message.order;
  const about = (said: AgentMessage) =>
    said.type === 'order-ack' && said.update === update && !said.accepted
      ? said.problem?.code
      : said.type === 'outcome' && said.outcome.update === update
        ? `${said.outcome.state === 'failed' ? '' : `${said.outcome.state} `}${said.outcome.problem?.code ?? ''}`
        : undefined;
  const code = await until(
    `an answer to ${update}`,
    () => hub.heard.map(about).find((one) => one !== undefined),
    60_000,
  );
  await hub.say({ type: 'outcome-ack', update });
  return code;
}

/** A lie of the feed's server, for the time of `work`. */
async function serving<T>(app: string, change: () => Promise<void> | void, work: () => Promise<T>): Promise<T> {
  const safe = join(folder, 'served', 'safe');
  cpSync(join(folder, 'feeds', app), safe, { recursive: true });
  try {
    await change();
    return await work();
  } finally {
    rmSync(join(folder, 'feeds', app), { recursive: true });
    cpSync(safe, join(folder, 'feeds', app), { recursive: true });
    rmSync(safe, { recursive: true });
  }
}

const lines: string[] = [];
afterAll(() => {
  if (process.env.FETTLE_PRINT === '1')
    console.log(['what a hostile hub tried → what it came to', ...lines].join('\n'));
});

/** Runs one lie; the device is the same afterwards. */
async function lie(what: string, expected: string, tell: () => Promise<string>): Promise<void> {
  const before = [written(), await running(), await device.version()];
  const code = await tell();
  expect(code).toBe(expected);
  expect([written(), await running(), await device.version()]).toEqual(before);
  lines.push(`${what.padEnd(60)} ${code}; nothing started, stopped or written`);
}

const commit = (of: string): OrderedRelease => {
  const seconds = Number(repository.git('log', '-1', '--format=%ct', of));
  return { version: commitVersion(of, seconds), channel: 'stable', digest: gitDigest(of) };
};

describe('orders that lie', () => {
  test.each<[string, string, () => Parameters<typeof order>[0]]>([
    ['an order for another device', 'capability_denied', () => ({ device: 'd-other', release: releases['1.1.0'] })],
    ['an app that the file does not name', 'capability_denied', () => ({ app: 'sshd', release: releases['1.1.0'] })],
    ['an order that is over', 'order_expired', () => ({ expiresAt: Date.now() - 1, release: releases['1.1.0'] })],
    ['an order from the future', 'order_expired', () => ({ notBefore: Date.now() + 3_600_000 })],
    ['an order that is good for ever', 'order_expired', () => ({ expiresAt: Date.now() + 1e12 })],
    [
      "another app's path",
      'capability_denied',
      () => ({ capability: { app: 'other', tools: [], paths: ['data'] }, release: releases['1.1.0'] }),
    ],
    ...['../other/shared/data', '/etc', 'data/../../other', 'server.mjs'].map(
      (path): [string, string, () => Parameters<typeof order>[0]] => [
        `the path ${path}`,
        'capability_denied',
        () => ({ capability: { app: 'app', tools: [], paths: [path] }, release: releases['1.1.0'] }),
      ],
    ),
    [
      'a tool within an update',
      'capability_denied',
      () => ({ capability: { app: 'app', tools: ['hello'], paths: [] }, release: releases['1.1.0'] }),
    ],
    ['an older version than last-good', 'downgrade_refused', () => ({ release: releases['1.0.0'] })],
    ['an older version, forced', 'downgrade_refused', () => ({ release: releases['1.0.0'], force: true })],
    [
      'an update of Fettle, which has no source here',
      'capability_denied',
      () => ({ app: 'agent', release: releases['1.1.0'] }),
    ],
    ['an order for no release', 'capability_denied', () => ({})],
  ])('%s: %s', (what, expected, more) => lie(what, expected, () => verdict(order(more()))));

  test('an order that was taken before, of an agent that ran before: order_replayed', () =>
    lie('an order that was taken before the agent was restarted', 'order_replayed', async () => {
      const [taken = ''] = Object.keys(JSON.parse(readFileSync(device.layout.agent.orders, 'utf8')));
      expect(taken).toMatch(/^o-u-/);
      return verdict(order({ id: taken, release: releases['1.1.0'] }));
    }));

  test('a tool that was asked for in time, and held back on its way: order_expired', () =>
    lie('a tool that is held back on its way', 'order_expired', async () => {
      const request = `t-${randomBytes(4).toString('hex')}`;
      // Said with the welcome, by both clocks, and good for a moment; that was a while ago.
      const now = Date.now();
      const times = { notBefore: now, expiresAt: now + 1, now, after: 0 };
      await hub.say({ type: 'run-tool', request, device: id, tool: 'hello', args: [], ...times });
      const answer = await until('an answer', () =>
        hub.heard.find((said) => said.type === 'tool-result' && said.result.request === request),
      );
      return answer.type === 'tool-result' ? `${answer.result.problem?.code}` : '';
    }));

  test.each<[string, Parameters<typeof order>[0]]>([
    ['an app that is a path', { app: '../other' }],
    ['an update whose name is a path', { update: '../../fettle' }],
    ['an order whose name is a path', { id: '../orders' }],
    [
      'a version that is a path',
      { release: { version: '../../../other/current', channel: 'stable', digest: `sha256-${'a'.repeat(64)}` } },
    ],
    ['a digest that is a path', { release: { version: '1.1.0', channel: 'stable', digest: 'sha256-../../x' } }],
  ])('%s: is no message at all', (what, more) =>
    lie(what, 'no message: unknown', async () => {
      const before = hub.heard.length;
      await hub.say(order(more));
      const answer = await until(
        'an answer',
        () => hub.heard.slice(before).find(({ type }) => type === 'unknown'),
        60_000,
      );
      return `no message: ${answer.type}`;
    }),
  );

  test.each(['ghost', 'hub'])('the log and the backups of %s, which is not here: capability_denied', async (app) => {
    await lie(`the log of ${app}`, 'capability_denied', async () => {
      const request = `l-${randomBytes(4).toString('hex')}`;
      await hub.say({ type: 'read-log', request, app, lines: 500 });
      const answer = await until('an answer', () =>
        hub.heard.find((said) => said.type === 'log' && said.request === request),
      );
      return answer.type === 'log' ? `${answer.problem?.code}${answer.text}` : '';
    });
  });

  test('keeping no backups: those of the last day stay', () =>
    lie('keep no backup', 'told', async () => {
      await hub.say({ type: 'settings', retentionDays: 0 });
      // The next answer comes after it has been heard.
      return verdict(order({ device: 'd-other' })).then(() => 'told');
    }));
});

describe('releases that lie', () => {
  const change = (app: 'app', by: (index: Index) => Index) => () =>
    writeFileSync(file(app), JSON.stringify(by(read(app))));
  const unsigned = ({ head: _head, signature: _signature, ...index }: Index): Index => ({
    ...index,
    releases: index.releases.map(({ signature: _one, ...entry }) => entry),
  });

  test('unsigned', () =>
    lie('an unsigned release', 'artifact_unverified', () =>
      serving('app', change('app', unsigned), () => verdict(order({ release: releases['1.1.0'] }))),
    ));

  test('signed by somebody else', () =>
    lie("a release under the attacker's own key", 'artifact_unverified', async () => {
      const theirs = generateMinisignKey();
      return serving(
        'app',
        async () => {
          rmSync(join(folder, 'feeds', 'app'), { recursive: true });
          releases.evil = await put('app', '9.9.9', theirs);
        },
        () => verdict(order({ release: releases.evil })),
      );
    }));

  test('the statement of another app', () =>
    lie('app B as A', 'artifact_unverified', () => {
      const theirs = read('other').releases[0];
      if (!theirs) throw new Error('the test has no release of other');
      return serving(
        'app',
        change('app', (index) => ({ ...index, channels: { stable: '2.0.0' }, releases: [theirs] })),
        () =>
          verdict(
            order({ release: { version: '2.0.0', channel: 'stable', digest: statementDigest(theirs.statement) } }),
          ),
      );
    }));

  test('an old release under a new number', () =>
    lie('signed 1.0.0 as 9.9.0', 'artifact_unverified', () =>
      serving(
        'app',
        change('app', (index) => {
          const old = index.releases.find(({ version }) => version === '1.0.0');
          if (!old) throw new Error('the test has no 1.0.0');
          return { ...index, channels: { stable: '9.9.0' }, releases: [{ ...old, version: '9.9.0' }] };
        }),
        () => verdict(order({ release: { ...releases['1.0.0'], version: '9.9.0' } as OrderedRelease })),
      ),
    ));

  test('an index from before, with everything in it signed', () => {
    const before = join(folder, 'served', 'before');
    return lie('a stale index', 'source_rolled_back', async () => {
      await serving(
        'app',
        async () => {
          rmSync(join(folder, 'feeds', 'app'), { recursive: true });
          await put('app', '1.1.0');
          cpSync(join(folder, 'feeds', 'app'), before, { recursive: true });
        },
        async () => undefined,
      );
      try {
        return await serving(
          'app',
          () => {
            rmSync(join(folder, 'feeds', 'app'), { recursive: true });
            cpSync(before, join(folder, 'feeds', 'app'), { recursive: true });
          },
          () => verdict(order({ release: releases['1.1.0'] })),
        );
      } finally {
        rmSync(before, { recursive: true });
      }
    });
  });

  test('other bytes than were signed', () =>
    lie('an artifact that was exchanged', 'artifact_mismatch', async () => {
      releases['1.3.0'] = await put('app', '1.3.0');
      return serving(
        'app',
        () => {
          const place = join(folder, 'feeds', 'app', 'releases', '1.3.0', 'app-1.3.0.tgz');
          const bytes = readFileSync(place);
          bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
          writeFileSync(place, bytes);
        },
        () => verdict(order({ release: releases['1.3.0'] })),
      );
    }));

  test('a commit that is in no branch that the file names', () =>
    lie('a commit not reachable from the allowed refs', 'artifact_unverified', () =>
      verdict(order({ app: 'site', kind: 'install', release: commit(commits.other) })),
    ));
});

describe('frames that lie', () => {
  test.each<[string, () => Promise<void>]>([
    ['an order that nobody signed', () => hub.raw(JSON.stringify(order({ kind: 'restart' })))],
    [
      'a frame that was said before',
      async () => hub.raw(await hub.say({ type: 'list-backups', request: 'b-1', app: 'app' })),
    ],
    [
      'a frame that was changed on the way',
      async () => {
        const frame = JSON.parse(await hub.say({ type: 'hold', update: 'u-1' })) as { body: string; seq: number };
        await hub.raw(
          JSON.stringify({ ...frame, seq: frame.seq + 1, body: JSON.stringify(order({ kind: 'restart' })) }),
        );
      },
    ],
  ])('%s: the connection ends with bad_signature', (what, tell) =>
    lie(what, 'bad_signature (4006)', async () => {
      const before = [hub.closed.length, hub.connections()] as const;
      await tell();
      const code = await until('the end of the connection', () => hub.closed[before[0]], 30_000);
      // The agent comes back, to the hub that it trusts.
      await until('the next connection', () => hub.connections() > before[1], 60_000);
      return `bad_signature (${code})`;
    }),
  );

  test('a hub with another key: not believed, and nothing is told to it', async () => {
    const impostor = await startHostileHub(openKey(join(folder, 'served', 'impostor', 'key')), () =>
      readFileSync(`${device.layout.agent.key}.pub`, 'utf8'),
    );
    const switchTo = async (port: number) => {
      await device.stopAgent();
      writeDurably(device.layout.hub.port, `${port}\n`);
      await device.keeper.ask('start', { app: 'agent' });
    };
    try {
      await switchTo(impostor.port);
      await until('the first refusal', () => impostor.closed[0], 60_000);
      await lie("a hub that has not the pinned hub's key", 'not proven (4003)', async () => {
        const before = impostor.closed.length;
        const code = await until('the next refusal', () => impostor.closed[before], 60_000);
        return `not proven (${code})`;
      });
      expect(impostor.heard).toEqual([]);
    } finally {
      await switchTo(hub.port);
      await impostor.close();
      rmSync(join(folder, 'served', 'impostor'), { recursive: true });
    }
  });
});
