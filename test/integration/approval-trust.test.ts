import { afterEach, expect, test } from 'vitest';
import { saveAppChoice } from '../../src/store/app-settings.ts';
import { ANN, actions, asked, BOB, idOf, state, team } from '../support/approval-team.ts';
import {
  ask,
  audit,
  DAY,
  device,
  finals,
  hub,
  MINUTE,
  pass,
  SECOND,
  source,
  start,
  stop,
  updates,
  usePeopleHub,
} from '../support/people-hub.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** Whose word lets what begin: one line each with `FETTLE_PRINT=1`. */

usePeopleHub();

afterEach(({ task }) => {
  if (process.env.FETTLE_PRINT)
    process.stdout.write(`    ${task.result?.state === 'fail' ? 'FAILED ' : 'holds  '} ${task.name}\n`);
});

const approve = async (who: string, id: string) => (await ask(who, `/update approve ${id}`)).title;
const OTHER = { ...releaseOf('1.1.0'), digest: 'sha256-other' };
const orders = () => device.orders.map(({ release }) => release?.digest);

test('whoever asked can not approve', async () => {
  await team('second');
  const { id } = await asked();
  expect(await approve(ANN, id)).toContain('You asked for this yourself');
  expect([await state(), await actions(), orders()]).toEqual([['approving'], [], []]);
});

test('nor by a second account of the same person, joined before or after', async () => {
  await team('second');
  const join = async (account: string) => {
    const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
    expect((await ask(account, `/admin link ${code}`)).tone).toBe('good');
  };
  await join('discord:12');
  const { id } = await asked();
  expect(await approve('discord:12', id)).toContain('You asked for this yourself');
  await join(BOB);
  expect(await approve(BOB, id)).toContain('You asked for this yourself');
  expect([await state(), await actions(), orders()]).toEqual([['approving'], [], []]);
});

test('nor by an account that asked and was parted from its person since', async () => {
  await team('second');
  const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
  await ask('discord:12', `/admin link ${code}`);
  const { id } = await asked(ANN);
  await ask(ANN, '/admin unlink discord:12');
  await ask(ANN, '/admin add discord:12 admin');
  // A person of its own now, and new: a day has to pass, and by then nobody waits for it any more.
  expect(await approve('discord:12', id)).toContain('operator or admin for 24 h');
  await pass(DAY + MINUTE);
  expect(await approve('discord:12', id)).toContain('does not wait for approval');
  expect(orders()).toEqual([]);
});

test('an approval of one digest does not approve another: the source replaced the release before the word', async () => {
  await team('second');
  const { id, event } = await asked();
  source.releases = [OTHER, releaseOf('1.0.0')];
  expect(await approve(BOB, id)).toMatch(/other content/);
  await pass(30 * SECOND);
  expect([await state(), finals(event), orders()]).toEqual([['failed'], 1, []]);
});

test('… after the word, while the device is away: what is ordered is what was approved', async () => {
  await team('second');
  const { id } = await asked();
  await device.disconnect(hub.engine);
  expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  source.releases = [OTHER, releaseOf('1.0.0')];
  await pass(MINUTE);
  await device.connect(hub.engine);
  await pass(MINUTE);
  expect(orders()).toEqual(['sha256-1.1.0']);
});

test('… in the database: what leaves has to be what was shown', async () => {
  await team('second');
  const { id } = await asked();
  await hub.store.db.updateTable('updates').set({ digest: 'sha256-other' }).where('id', '=', id).execute();
  expect(await approve(BOB, id)).toMatch(/other content/);
  await pass(30 * SECOND);
  expect(orders()).toEqual([]);
});

test('an approval of one update is none of the next, of the same release or of another', async () => {
  await team('second');
  const { id } = await asked();
  await ask(ANN, `/update cancel ${id}`);
  const { id: again } = await asked();
  expect(again).not.toBe(id);
  expect(await approve(BOB, id)).toContain('does not wait for approval');
  expect(await state()).toEqual(['cancelled', 'approving']);
  source.releases = [releaseOf('1.2.0'), ...source.releases];
  await ask(ANN, `/update cancel ${again}`);
  await ask(ANN, '/update check web');
  await ask(ANN, '/update now web');
  await pass(2 * SECOND);
  expect((await state()).at(-1)).toBe('approving');
  expect(orders()).toEqual([]);
});

test('an automatic update waits for a word as well, and one for a digest that is gone is none', async () => {
  await team('second');
  await saveAppChoice(hub.store.db, 'web', { auto: 'on' }, { by: ANN, byName: 'Ann', at: 0 });
  await ask(ANN, '/update check web');
  await pass(5 * SECOND);
  expect(await state()).toEqual(['approving']);
  const id = await idOf();
  source.releases = [OTHER, releaseOf('1.0.0')];
  expect(await approve(BOB, id)).toMatch(/other content|does not wait/);
  await pass(5 * MINUTE);
  expect(orders()).toEqual([]);
  // What it is now asks anew, and is what the next word is for.
  const open = (await updates()).filter((row) => row.state === 'approving');
  expect(open.map(({ digest }) => digest)).toEqual(open.length === 0 ? [] : ['sha256-other']);
});

test('an approval is for the device that was shown: the app is on another one now', async () => {
  await team('second');
  const { id, event } = await asked();
  await hub.store.db.deleteFrom('device_apps').execute();
  await hub.store.db
    .insertInto('devices')
    .values({
      id: 'd-2',
      name: 'other',
      platform: 'linux-x64',
      agent_version: '0.1.0',
      epoch: 1,
      connected: 1,
      recovered: 1,
      last_seen_at: 0,
    })
    .execute();
  const report = JSON.stringify({ app: 'web', version: '1.0.0', health: 'healthy', blocked: [] });
  await hub.store.db.insertInto('device_apps').values({ device: 'd-2', app: 'web', report, reported_at: 0 }).execute();
  expect(await approve(BOB, id)).toMatch(/device/);
  await pass(30 * SECOND);
  expect([await state(), finals(event), orders()]).toEqual([['failed'], 1, []]);
});

test('an approval after its time is refused: the hub was there', async () => {
  await team('second');
  const { id, event } = await asked();
  await pass(DAY + MINUTE);
  expect(await approve(BOB, id)).toContain('does not wait for approval');
  expect([await state(), finals(event), orders()]).toEqual([['timed-out'], 1, []]);
});

test('… or was away', async () => {
  await team('second');
  const { id } = await asked();
  await stop();
  await pass(DAY + MINUTE);
  await start('second');
  expect(await approve(BOB, id)).toContain('does not wait for approval');
  expect([await state(), orders()]).toEqual([['timed-out'], []]);
});

test('a good one lets it begin, and is in the audit log with who, and the digest that it was for', async () => {
  await team('second');
  const { id } = await asked();
  expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  await pass(30 * SECOND);
  expect(orders()).toEqual(['sha256-1.1.0']);
  expect((await audit()).at(-1)).toMatchObject({ action: 'approve', by: BOB, before: 'sha256-1.1.0', after: id });
  const order = await hub.store.db
    .selectFrom('audit')
    .selectAll()
    .where('action', '=', 'order')
    .executeTakeFirstOrThrow();
  expect(JSON.parse(order.data ?? '{}')).toMatchObject({ update: id, device: 'd-1', release: 'sha256-1.1.0' });
});

test('refusals are in the audit log as well', async () => {
  await team('second');
  await ask(ANN, '/admin add telegram:44 viewer');
  const { id } = await asked();
  await approve(ANN, id);
  await approve('telegram:44', id);
  const rows = await hub.store.db.selectFrom('audit').selectAll().where('target', '=', 'update approve').execute();
  expect(rows.map(({ by, result }) => [by, result])).toEqual([
    [ANN, 'approval_refused'],
    ['telegram:44', 'not_allowed'],
  ]);
});
