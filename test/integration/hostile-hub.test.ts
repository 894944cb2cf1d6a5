import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeDurably } from '../../src/files/durable.ts';
import { openKey } from '../../src/protocol/key.ts';
import { startHostileHub } from '../support/hostile-hub.ts';
import { device, folder, hub, lie, order, releases, useHostileWorld, verdict } from '../support/hostile-world.ts';
import { until } from '../support/until.ts';

/** Orders and frames of a hub in somebody else's hands: see hostile-world. Releases and tools have files of their own. */

useHostileWorld();

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

test("a log of Fettle's own, of a device that belongs to a hub elsewhere: capability_denied", async () => {
  const file = join(device.layout.agent.dir, 'hub.json');
  const key = readFileSync(`${device.layout.hub.key}.pub`, 'utf8');
  writeDurably(file, JSON.stringify({ address: `ws://127.0.0.1:${hub.port}/agent`, key }), 0o600);
  try {
    await lie("a log of Fettle's own, of an enrolled device", 'capability_denied', async () => {
      const request = `l-${randomBytes(4).toString('hex')}`;
      await hub.say({ type: 'read-log', request, app: 'agent', lines: 500 });
      const answer = await until('an answer', () =>
        hub.heard.find((said) => said.type === 'log' && said.request === request),
      );
      return answer.type === 'log' ? `${answer.problem?.code}${answer.text}` : '';
    });
  } finally {
    rmSync(file);
  }
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
