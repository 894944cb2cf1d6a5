import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openJournal } from '../../agent/journal.ts';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { runDoctor } from '../../src/cli/doctor/index.ts';
import { openStore } from '../../src/store/open.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { rescue } from '../support/rescue.ts';
import { until } from '../support/until.ts';

/** Each thing that is WRONG is provoked on a real home, and mended as doctor says. */
let device: Device;
beforeAll(async () => {
  device = await makeDevice({ probing: '3s' });
  await device.startAgent();
  await device.outcome(await device.order('install', '1.0.0'));
  await device.outcome(await device.order('update', '1.1.0'));
}, 60_000);
afterAll(() => device.close(), 60_000);
const undo: (() => void)[] = [];
afterEach(() => {
  for (const action of undo.splice(0)) action();
});

interface Told {
  readonly code: number;
  readonly text: string;
  readonly wrong: readonly string[];
}

async function doctor(environment: NodeJS.ProcessEnv = {}): Promise<Told> {
  const lines: string[] = [];
  const code = await runDoctor({
    layout: device.layout,
    environment: readEnvironment({ ...device.environment, FETTLE_PORT: '0', ...environment }),
    config: undefined,
    say: (line) => lines.push(line),
  });
  return { code, text: lines.join('\n'), wrong: lines.filter((line) => line.includes('WRONG')) };
}

/** The test's hub is a gateway alone, so that is what stays wrong with everything well. */
const OTHERWISE = /The hub does not run/;
const rest = ({ wrong }: Told) => wrong.filter((line) => !OTHERWISE.test(line));

/** Every file of the home, with what tells a change of it. */
function snapshot(): string {
  const { home } = device.layout;
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('logs/') && existsSync(join(home, path)))
    .map((path) => `${path} ${statSync(join(home, path)).mtimeMs} ${statSync(join(home, path)).mode}`)
    .sort()
    .join('\n');
}

test('a home that is well; nothing is changed', async () => {
  // The agent writes down that its outcome was heard.
  await until('the acknowledgement', () =>
    openJournal(device.layout.agent.journal)
      .list()
      .every(({ acknowledgedAt }) => acknowledgedAt !== null),
  );
  const before = snapshot();
  const told = await doctor();
  expect(rest(told), told.text).toEqual([]);
  expect(told.text).toContain('app 1.1.0');
  expect(told.text).toContain('agent runs (process');
  expect(snapshot()).toBe(before);
});

test('current is gone, a slot is damaged → rescue', async () => {
  const folder = device.layout.app('app');
  rmSync(join(folder.dir, readlinkSync(folder.current), '.fettle', 'slot.json'));
  const told = await doctor();
  expect(told.wrong.join()).toMatch(/app: `current` points to 1\.1\.0-\w+, which is not whole/);
  expect(told.text).toContain('→ fettle rescue app');
  expect(told.code).toBe(1);
  expect((await rescue(device)).code).toBe(0);
  expect(rest(await doctor())).toEqual([]);
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
});

test('last-good is gone → rescue', async () => {
  const folder = device.layout.app('app');
  rmSync(folder.lastGood);
  symlinkSync('releases/0.0.1-gone', folder.lastGood);
  expect((await doctor()).wrong.join()).toContain('`last-good` points to 0.0.1-gone, which is not there');
  expect((await rescue(device)).code).toBe(0);
  expect(rest(await doctor())).toEqual([]);
});

test('others can read a key, and write into the home → chmod', async () => {
  const { key, dir } = device.layout.agent;
  chmodSync(device.layout.home, 0o777);
  chmodSync(key, 0o644);
  undo.push(() => chmodSync(device.layout.home, 0o700));
  // A closed folder keeps everybody out.
  expect((await doctor()).text).not.toContain(`chmod 600 ${key}`);
  chmodSync(dir, 0o755);
  undo.push(() => chmodSync(dir, 0o700));
  const told = await doctor();
  expect(told.text).toContain(`→ chmod 600 ${key}`);
  expect(told.text).toContain(`→ chmod 700 ${device.layout.home}`);
  chmodSync(key, 0o600);
  chmodSync(device.layout.home, 0o700);
  expect(rest(await doctor())).toEqual([]);
});

test('the app writes into its slot → the keep line is named', async () => {
  const slot = join(device.layout.app('app').dir, readlinkSync(device.layout.app('app').current));
  mkdirSync(join(slot, 'state'));
  const path = join(slot, 'state', 'notes.db');
  writeFileSync(path, 'x');
  const later = Date.now() / 1_000 + 60;
  utimesSync(path, later, later);
  undo.push(() => rmSync(join(slot, 'state'), { recursive: true }));
  const told = await doctor();
  expect(told.wrong.join()).toContain('app writes into its own version: state/notes.db');
  expect(told.text).toContain('`keep: [state]`');
});

test('a kept path that is a link', async () => {
  const { shared } = device.layout.app('app');
  renameSync(join(shared, 'data'), join(shared, 'elsewhere'));
  symlinkSync('elsewhere', join(shared, 'data'));
  undo.push(() => {
    rmSync(join(shared, 'data'));
    renameSync(join(shared, 'elsewhere'), join(shared, 'data'));
  });
  expect((await doctor()).wrong.join()).toContain('the kept path data is a link');
});

test('a configuration with a mistake: file, line, key', async () => {
  const before = readFileSync(device.layout.config, 'utf8');
  undo.push(() => writeFileSync(device.layout.config, before));
  writeFileSync(device.layout.config, 'apps:\n  app:\n    sorce: npm x\n    run: x\n');
  expect((await doctor()).wrong.join()).toContain(`${device.layout.config}:3: apps.app.sorce`);
});

test('a source that is away, a channel that is empty, a proxy that is none', async () => {
  const before = readFileSync(device.layout.config, 'utf8');
  undo.push(() => writeFileSync(device.layout.config, before));
  writeFileSync(device.layout.config, before.replaceAll('folder releases', 'folder nowhere'));
  const { wrong } = await doctor();
  expect(wrong.filter((line) => line.includes('nowhere'))).toHaveLength(2);
  writeFileSync(device.layout.config, before.replace('    run:', '    channel: beta\n    run:'));
  const told = await doctor({ HTTPS_PROXY: 'not an address' });
  expect(told.wrong.join()).toContain('has no release on the channel beta of app (it has: stable)');
  expect(told.wrong.join()).toContain('HTTPS_PROXY is not an address');
});

test('a socket path that is too long', async () => {
  const long = join(device.layout.home, 'x'.repeat(120));
  const lines: string[] = [];
  await runDoctor({
    layout: homeLayout(device.layout.home, long),
    environment: readEnvironment({ ...device.environment, XDG_RUNTIME_DIR: long }),
    config: undefined,
    say: (line) => lines.push(line),
  });
  expect(lines.join('\n')).toContain("WRONG  The sockets' path is too long");
});

test('the journal: interrupted, unreadable, set aside', async () => {
  const { journal } = device.layout.agent;
  const entry = openJournal(journal).list().at(-1);
  const write = (id: string, text: string) => {
    writeFileSync(join(journal, id), text);
    undo.push(() => rmSync(join(journal, id), { force: true }));
  };
  const order = { ...entry?.order, update: 'u-long' };
  write(
    'u-long.json',
    JSON.stringify({ ...entry, order, state: 'fetching', outcome: null, enteredAt: Date.now() - 7.2e6 }),
  );
  write('u-bad.json', '{');
  write('u-old.json.unreadable', '{');
  const told = await doctor();
  expect(told.wrong.join()).toContain('app: u-long is in fetching');
  expect(told.wrong.join()).toContain("The journal of u-bad can't be read");
  expect(told.text).toContain('u-old.json.unreadable');
});

test('the database: newer migrations are fine, damage is not', async () => {
  const { db } = device.layout.hub;
  undo.push(() => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(db + suffix, { force: true });
  });
  await (await openStore(db)).close();
  const sqlite = new BetterSqlite3(db);
  sqlite.exec("insert into kysely_migration (name, timestamp) values ('9999-later', '2030')");
  sqlite.close();
  const whole = await doctor();
  expect(whole.text).toContain('hub.db is whole');
  expect(whole.text).toContain('A newer hub has changed the database (9999-later)');
  const bytes = readFileSync(db);
  bytes.fill(0xff, 4_096, 12_288);
  writeFileSync(db, bytes);
  const before = snapshot();
  expect((await doctor()).wrong.join()).toMatch(/hub\.db (is damaged|can't be read)/);
  expect(snapshot()).toBe(before);
});

test('a crash, a stopped agent, then everything dead: said, and how to go on', { timeout: 60_000 }, async () => {
  const pid = (await device.keeper.ask('status', {})).apps.app?.running?.pid ?? 0;
  process.kill(-pid, 'SIGKILL');
  await until('the crash to be counted', async () => (await device.keeper.ask('status', {})).apps.app?.crashes);
  await until('the app to run again', () => device.version());
  expect((await doctor()).wrong.join()).toContain('app runs, but crashed once since it was last well');
  await device.stopAgent();
  expect((await doctor()).wrong.join()).toContain('The agent is stopped');
  await device.startAgent();
  await device.killAll();
  // A port that somebody else has, with nothing of ours running.
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  writeFileSync(`${device.layout.keeper.keep}.bad`, '{');
  const told = await doctor({ FETTLE_PORT: String(port) });
  server.close();
  expect(told.wrong.join()).toContain(`Port ${port} is taken by another program`);
  expect(told.text).toContain('keep.json.bad');
  expect(told.text).toContain('The keeper is not running');
  expect((await doctor({ FETTLE_PORT: 'eighty' })).wrong.join()).toContain('FETTLE_PORT is not a port');
  await device.startKeeper();
});
