import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPolicy, type Policy } from '../../../agent/policy.ts';
import { selfAppConfig } from '../../../agent/self/config.ts';
import { AgentSchema } from '../../../config/agent-schema.ts';
import { HubMessage, Order } from '../../../src/protocol/messages.ts';

/** What a hub asks for against what the device's own file names. */

const NOW = 1_700_000_000_000;
const config = AgentSchema.parse({
  apps: {
    web: { source: 'folder releases', run: 'node x', keep: ['data', 'etc/web.json'] },
    kept: { run: 'node x', keep: ['other'] },
  },
});

let folder: string;
let policy: Policy;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-policy-'));
  policy = open();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = () => join(folder, 'orders.json');
const open = () => createPolicy(config, { agent: selfAppConfig('agent', config.fettle) }, 'd-1', file());
const remembered = () => (existsSync(file()) ? Object.keys(JSON.parse(readFileSync(file(), 'utf8')) as object) : []);

let count = 0;
function order(more: object = {}): Order {
  count += 1;
  return Order.parse({
    id: `o-${count}`,
    update: `u-${count}`,
    device: 'd-1',
    app: 'web',
    kind: 'restart',
    notBefore: NOW,
    expiresAt: NOW + 300_000,
    ...more,
  });
}

const code = (given: Order, now = NOW) => {
  try {
    policy.admit(given, now);
    return 'admitted';
  } catch (error) {
    const { code: told, data } = error as { code: string; data: { what?: string } };
    return data.what === undefined ? told : `${told}: ${data.what}`;
  }
};
const release = { version: '2.0.0', channel: 'stable', digest: `sha256-${'a'.repeat(64)}` };

describe('an order is no more than the file', () => {
  const capability = { app: 'web', tools: [], paths: [] };
  test.each<[string, object, string]>([
    ['one that the file allows', { capability }, 'admitted'],
    ['of a hub of before', {}, 'admitted'],
    ['an update', { kind: 'update', release, capability }, 'admitted'],
    [
      'kept paths of the app',
      { capability: { ...capability, paths: ['data', 'data/deep', 'etc/web.json'] } },
      'admitted',
    ],
    ['for another device', { device: 'd-2' }, 'capability_denied: an order for another device'],
    ['an app that is not named', { app: 'ssh' }, 'capability_denied: the app ssh'],
    ['an app named as what every object has', { app: 'constructor' }, 'capability_denied: the app constructor'],
    [
      'another app in the name of this',
      { capability: { ...capability, app: 'kept' } },
      'capability_denied: an order for kept in the name of web',
    ],
    ["another app's path", { capability: { ...capability, paths: ['other'] } }, 'capability_denied: the path other'],
    [
      'a path that leads out',
      { capability: { ...capability, paths: ['data/../../kept/other'] } },
      'capability_denied: the path data/../../kept/other',
    ],
    ['..', { capability: { ...capability, paths: ['..'] } }, 'capability_denied: the path ..'],
    [
      'an absolute path',
      { capability: { ...capability, paths: ['/etc/passwd'] } },
      'capability_denied: the path /etc/passwd',
    ],
    [
      'a tool',
      { capability: { ...capability, tools: ['reboot'] } },
      'capability_denied: the tool reboot within an update',
    ],
    [
      'an update where there is no source',
      { app: 'kept', kind: 'update', release },
      'capability_denied: updates of kept, which has no source',
    ],
    ['an update to nothing', { kind: 'update' }, 'capability_denied: an update to no release'],
    ['good for ever', { expiresAt: NOW * 2 }, 'order_expired'],
    ['too late', { expiresAt: NOW - 1 }, 'order_expired'],
    ['too early', { notBefore: NOW + 120_000 }, 'order_expired'],
    ["an installation of Fettle's own", { app: 'agent', kind: 'restore' }, 'not_restorable'],
  ])('%s', (_, more, expected) => {
    expect(code(order(more))).toBe(expected);
  });

  test('what was denied is remembered: it can not be tried again', () => {
    const given = order({ app: 'ssh' });
    expect(code(given)).toBe('capability_denied: the app ssh');
    expect(remembered()).toEqual([given.id]);
    expect(code(given)).toBe('order_replayed');
    policy = open();
    expect(code({ ...given, app: 'web' })).toBe('order_replayed');
    expect(code({ ...given, app: 'web' }, NOW + 300_000)).toBe('order_replayed');
  });

  test('ids are forgotten once their orders have expired', () => {
    const given = order();
    expect(code(given)).toBe('admitted');
    expect(code(order({ expiresAt: NOW + 600_000 }), NOW + 300_001)).toBe('admitted');
    expect(remembered()).toEqual([`o-${count}`]);
  });
});

describe('where releases are, for apps whose file names keys and no source', () => {
  const key = `RWQ${'A'.repeat(53)}`;
  const free = AgentSchema.parse({
    apps: { robot: { keys: [key], run: 'node x' } },
    fettle: { keys: [key] },
  });
  const self = { agent: selfAppConfig('agent', free.fettle) };
  const admitted = (app: string, source: object | undefined, here = false) => {
    policy = createPolicy(free, self, 'd-1', file(), undefined, () => here);
    return code(order({ app, kind: 'update', release: { ...release, source } }));
  };
  const feed = (address: string) => ({ kind: 'feed', address });

  test.each(['robot', 'agent'])('%s: https, and what is here from a hub that is here', (app) => {
    expect(admitted(app, feed('https://releases.example/robot'))).toBe('admitted');
    expect(admitted(app, { kind: 'github', address: 'acme/robot' })).toBe('admitted');
    expect(admitted(app, undefined)).toMatch(/^capability_denied: updates of \w+: its file names keys and no source/);
    for (const address of ['http://127.0.0.1:8080/x', 'https://localhost/x', 'https://0.0.0.0/x']) {
      expect(admitted(app, feed(address))).toMatch(/^capability_denied: .*a hub elsewhere has no say/);
      expect(admitted(app, feed(address), true)).toBe('admitted');
    }
    for (const more of [{ api: ['https://127.0.0.1/api'] }, { mirrors: ['https://[::1]/{path}'] }]) {
      expect(admitted(app, { kind: 'github', address: 'acme/robot', ...more })).toMatch(/a hub elsewhere has no say/);
    }
    expect(admitted(app, { kind: 'folder', address: '/srv' }, true)).toMatch(/kind folder is not taken/);
  });

  test('what the file names counts: the order is not even looked at', () => {
    expect(code(order({ kind: 'update', release: { ...release, source: feed('file:///etc') } }))).toBe('admitted');
  });
});

describe('what becomes a name of a file has nothing of a path', () => {
  const message = (more: object) =>
    HubMessage.safeParse({ type: 'order', order: { ...order({ kind: 'update', release }), ...more } }).success;
  test.each<[string, object]>([
    ['an update above the journal', { update: '../orders' }],
    ['an absolute one', { update: '/etc/cron.d/x' }],
    ['one with a NUL', { update: 'u-1\0' }],
    ['a hidden one', { update: '.hidden' }],
    ['an empty one', { update: '' }],
    ['an order', { id: '../../x' }],
    ['a device', { device: 'a/b' }],
    ['an app', { app: '../web' }],
    ['a version', { release: { ...release, version: '../../../etc' } }],
    ['a version that is a path', { release: { ...release, version: '1/2' } }],
    ['a digest', { release: { ...release, digest: 'sha256-../x y' } }],
    ['a backup that is no number', { backupSeq: '../1' }],
    ['a backup below', { backupSeq: -1 }],
  ])('%s', (_, more) => {
    expect(message({})).toBe(true);
    expect(message(more)).toBe(false);
  });

  test.each([
    { type: 'cancel', update: '../x' },
    { type: 'force', update: 'a/b' },
    { type: 'hold', update: '..' },
    { type: 'outcome-ack', update: '../../keeper/keep' },
    { type: 'read-log', request: 'l-1', app: '../agent/key', lines: 5 },
    { type: 'read-log', request: 'l-1', app: 'web.build', lines: 5 },
    { type: 'read-log', request: 'l/1', app: 'web', lines: 5 },
    { type: 'read-log', request: 'l-1', app: 'web', lines: 5_000 },
    { type: 'list-backups', request: 'b-1', app: 'web/../kept' },
    { type: 'settings', retentionDays: -1 },
  ])('$type $update$app', (given) => {
    expect(HubMessage.safeParse(given).success).toBe(false);
  });
});
