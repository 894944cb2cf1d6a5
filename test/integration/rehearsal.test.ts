import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findByStartId } from '../../agent/keeper/scan.ts';
import { rehearsalEnvironment } from '../../agent/rehearsal/index.ts';
import { rehearsalMark } from '../../agent/rehearsal/leftovers.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** What a candidate does when it is rehearsed, beside what it does always. */
const FAULTS = {
  '2.0.0': '',
  '2.1.0': '',
  // Fails on the data that there is.
  '2.2.0': `if (rehearsed) { console.error('cannot migrate table notes'); process.exit(3); }`,
  // Is never well, and leaves a child in a session of its own.
  '2.3.0': `if (rehearsed) { spawn('sleep', ['4711'], { detached: true, stdio: 'ignore' }); well = false; }`,
} as const;

/** Keeps a database, and says in a file of the data what it has found: where it runs, with what. */
const server = (version: string, fault: string) => `
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
const rehearsed = process.env.FETTLE_REHEARSAL === '1';
let well = true;
console.log('the app is ready');
const db = new DatabaseSync('data/notes.db');
db.exec('PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS notes (text); PRAGMA user_version=${version.split('.')[1]}');
if (rehearsed) db.exec("INSERT INTO notes VALUES ('of a rehearsal')");
writeFileSync('data/seen.json', JSON.stringify({ cwd: process.cwd(), env: process.env, dotenv: readFileSync('data/.env', { encoding: 'utf8', flag: 'a+' }) }));
if (rehearsed) writeFileSync(process.env.TOLD, readFileSync('data/seen.json'));
${fault}
createServer((request, response) => {
  response.writeHead(well ? 200 : 503);
  response.end(JSON.stringify({ version: '${version}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

const notesOf = (device: Device) => {
  const db = new DatabaseSync(join(device.layout.app('app').shared, 'data', 'notes.db'), { readOnly: true });
  try {
    return db.prepare('SELECT text FROM notes').all();
  } finally {
    db.close();
  }
};
const leftOf = (device: Device, update: string) => findByStartId(rehearsalMark(device.layout, update));
const work = (device: Device) => join(device.layout.app('app').tmp, 'rehearsal');

describe('a boot on a copy of the data', () => {
  let device: Device;
  let told: string;
  beforeEach(async () => {
    device = await makeDevice({
      app: {
        rehearse: '{env: {TOLD: $HOME/told.json, GIVEN_TOKEN: for-rehearsals}, for: 300ms}',
        healthy:
          '{http: "http://127.0.0.1:$PORT/version", version: .version, log: the app is ready, every: 50ms, checks: 2, for: 300ms, timeout: 2s}',
      },
      releases: Object.fromEntries(
        Object.entries(FAULTS).map(([version, fault]) => [version, { 'server.mjs': server(version, fault) }]),
      ),
    });
    told = join(device.layout.home, 'told.json');
    await device.startAgent();
    const first = await device.outcome(await device.order('install', '2.0.0'));
    expect(first, JSON.stringify(first)).toMatchObject({ state: 'succeeded' });
    writeFileSync(join(device.layout.app('app').shared, 'data', '.env'), 'CHAT_TOKEN=live');
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('the candidate finds the data and no secrets, and touches nothing; then the switch', async () => {
    const update = await device.order('update', '2.1.0');
    const outcome = await device.outcome(update);
    expect(outcome, JSON.stringify(outcome)).toMatchObject({ state: 'succeeded', running: '2.1.0' });
    const seen = JSON.parse(readFileSync(told, 'utf8')) as { cwd: string; env: Record<string, string>; dotenv: string };
    expect(seen.cwd).toBe(join(work(device), 'slot'));
    expect(seen.env).toMatchObject({ FETTLE_REHEARSAL: '1', GIVEN_TOKEN: 'for-rehearsals' });
    expect(seen.env.API_TOKEN).toBeUndefined();
    expect(seen.env.PORT).not.toBe(String(device.port));
    expect(seen.dotenv).toBe('');
    expect(notesOf(device)).toEqual([]);
    expect(leftOf(device, update)).toEqual([]);
    expect(existsSync(work(device))).toBe(false);
  });

  test('one that fails is refused with its last words and blocked; the app never noticed', async () => {
    const pid = (await device.keeper.ask('status', {})).apps.app?.running?.pid;
    for (const [version, reason] of [
      ['2.2.0', 'cannot migrate table notes'],
      ['2.3.0', 'status 503'],
    ] as const) {
      const update = await device.order('update', version);
      const outcome = await device.outcome(update);
      expect(outcome).toMatchObject({ state: 'failed', running: '2.0.0', problem: { code: 'rehearsal_failed' } });
      expect(outcome.problem?.data.reason).toContain(reason);
      expect(outcome.outageMs).toBeUndefined();
      // Also what it started in a session of its own.
      expect(leftOf(device, update)).toEqual([]);
      expect(existsSync(work(device))).toBe(false);
    }
    expect((await device.keeper.ask('status', {})).apps.app?.running?.pid).toBe(pid);
    expect(notesOf(device)).toEqual([]);
    const again = await device.outcome(await device.order('update', '2.2.0'));
    expect(again).toMatchObject({ state: 'failed', problem: { code: 'release_blocked' } });
  });

  test('one that outlived a killed agent is ended before anything else, and its copy is gone', async () => {
    const update = await device.order('update', '2.3.0');
    await until('the candidate to run', () => leftOf(device, update).length >= 2);
    await device.killAll();
    expect(leftOf(device, update).length).toBeGreaterThan(0);
    await device.startKeeper();
    await device.startAgent();
    const outcome = await device.outcome(update);
    expect(outcome).toMatchObject({ state: 'failed', running: '2.0.0', problem: { code: 'rehearsal_failed' } });
    expect(leftOf(device, update)).toEqual([]);
    expect(existsSync(work(device))).toBe(false);
  });
});

describe('a command of the candidate’s', () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice({
      app: { rehearse: 'sh rehearse.sh', deadlines: '{probing: 3s, rehearsing: 2s}' },
      releases: {
        '2.1.0': { 'rehearse.sh': 'echo "no such module" >&2; exit 3', 'server.mjs': '' },
        '2.2.0': { 'rehearse.sh': 'setsid sleep 4712 & sleep 4712', 'server.mjs': '' },
        '2.3.0': {
          'rehearse.sh': '[ "$FETTLE_REHEARSAL" = 1 ] && [ -z "$API_TOKEN" ]',
          'server.mjs': 'process.exit(9);',
        },
      },
    });
    await device.startAgent();
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('status 0 passes, another does not and blocks; one that takes too long is killed whole and does not block', async () => {
    mkdirSync(join(device.layout.app('app').shared), { recursive: true });
    // Passes its rehearsal, and then fails as it would have without one.
    const bad = await device.outcome(await device.order('install', '2.3.0'));
    expect(bad).toMatchObject({ state: 'failed', problem: { code: 'crashed' } });
    const failed = await device.outcome(await device.order('install', '2.1.0'));
    expect(failed).toMatchObject({ state: 'failed', problem: { code: 'rehearsal_failed' } });
    expect(failed.problem?.data.reason).toContain('status 3: no such module');
    const update = await device.order('install', '2.2.0');
    const late = await device.outcome(update);
    expect(late).toMatchObject({ state: 'failed', problem: { code: 'deadline_passed', retryable: true } });
    expect(leftOf(device, update)).toEqual([]);
    expect(device.inventory()?.find(({ app }) => app === 'app')?.blocked).not.toContain('2.2.0');
    expect(readdirSync(device.layout.app('app').releases)).toEqual([]);
  });
});

test('secrets are told by their names and by their shapes; what is given by name is given', () => {
  const env = {
    PORT: '1',
    BOT_TOKEN: 'x',
    DATABASE: 'postgres://me:pass-word-1@db/one',
    WEBHOOK: 'https://discord.com/api/webhooks/1/abcdefghij',
    MODE: 'fast',
  };
  expect(rehearsalEnvironment(env, { BOT_TOKEN: 'y' })).toEqual({
    PORT: '1',
    MODE: 'fast',
    BOT_TOKEN: 'y',
    FETTLE_REHEARSAL: '1',
  });
});
