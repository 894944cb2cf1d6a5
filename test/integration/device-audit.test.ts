import { afterEach, beforeEach, expect, test } from 'vitest';
import { listAudit } from '../../src/store/audit.ts';
import { type AuditDevice, makeAuditHub } from '../support/audit-world.ts';

/** What devices logged is copied to the hub: all of it, once, in order; and a log that is another one is noticed, once. */

let hub: Awaited<ReturnType<typeof makeAuditHub>>;
let robot: AuditDevice;
beforeEach(async () => {
  hub = await makeAuditHub();
  robot = await hub.device('robot');
});
afterEach(() => hub.close());

const copies = () =>
  hub.store.db.selectFrom('device_audit').select(['branch', 'n', 'line']).orderBy('branch').orderBy('n').execute();
const copiedLines = async (branch: number) =>
  (await copies()).filter((row) => row.branch === branch).map(({ line }) => line);
const findings = async () =>
  (await listAudit(hub.store.db, { action: 'device-log' })).map(({ target, result, data }) => [
    target,
    result,
    data?.n,
  ]);

async function updates(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await robot.update('web');
}

test('page by page, then only what is new; nothing twice, whoever restarts in between', async () => {
  await updates(120);
  await robot.tell();
  const first = robot.lines();
  expect(first.length).toBeGreaterThan(240);
  expect(await copiedLines(1)).toEqual(first);
  await robot.tell();
  await updates(2);
  robot.restart();
  await hub.stop();
  await hub.start();
  await robot.tell();
  expect(await copiedLines(1)).toEqual(robot.lines());
  expect(await findings()).toEqual([]);
  expect(hub.told).toEqual([]);
});

test('the hub says where its own log stands, and the device writes it down', async () => {
  await updates(1);
  await robot.tell();
  const last = await hub.store.db
    .selectFrom('audit_chain')
    .selectAll()
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow();
  expect(robot.lines().at(-1)).toContain(`"what":"hub-log","hub":{"seq":${last.seq},"hash":"${last.hash}"}`);
});

test('put back from a backup: it goes on as another branch, told once; what was there before stays', async () => {
  await updates(3);
  await robot.tell();
  const before = await copiedLines(1);
  robot.write(robot.lines().slice(0, 4));
  robot.restart();
  await robot.tell();
  expect(await findings()).toEqual([['d-robot', 'cut', 4]]);
  await robot.tell();
  await updates(1);
  await robot.tell();
  await robot.tell();
  expect(await findings()).toEqual([['d-robot', 'cut', 4]]);
  expect(hub.told.map(({ title }) => title)).toEqual(['The audit log of robot is not the one it was']);
  expect(hub.toldInChinese).toEqual([
    {
      tone: 'bad',
      title: 'robot 的审计日志与以前不一致',
      text: ['日志到第 4 条为止，而之前上报的更多。可能是设备从备份恢复，或日志被截断。'],
      hints: [expect.stringContaining('`fettle audit verify`')],
    },
  ]);
  expect(await copiedLines(1)).toEqual(before);
  expect((await copiedLines(2)).slice(1)).toEqual(robot.lines().slice(4));
});

test('put back, and gone on before the hub heard of it: the branch begins where they part', async () => {
  await updates(3);
  await robot.tell();
  robot.write(robot.lines().slice(0, 4));
  robot.restart();
  await updates(8);
  await robot.tell();
  expect(await findings()).toEqual([['d-robot', 'fork', 5]]);
  expect(await copiedLines(2)).toEqual(robot.lines().slice(3));
  await robot.tell();
  expect(hub.told).toHaveLength(1);
});

test('begun anew, as where the file was deleted', async () => {
  await updates(3);
  await robot.tell();
  robot.write([]);
  robot.restart();
  await updates(1);
  await robot.tell();
  expect((await findings()).map(([, what]) => what)).toEqual(['fork']);
  expect(await copiedLines(2)).toEqual(robot.lines());
});

test.each([
  ['edited before it was told', 'broken', 5],
  ['taken out before it was told', 'gap', 6],
  ['no line at all any more', 'broken', 5],
])('an entry %s', async (how, what, n) => {
  await updates(1);
  await robot.tell();
  await updates(4);
  const lines = robot.lines();
  const line = lines[4] as string;
  const instead =
    how === 'edited before it was told'
      ? [line.replace('succeeded', 'failed').replace('web', 'app')]
      : how === 'no line at all any more'
        ? ['{}']
        : [];
  robot.write([...lines.slice(0, 4), ...instead, ...lines.slice(5)]);
  robot.restart();
  await robot.tell();
  await robot.tell();
  expect(await findings()).toEqual([['d-robot', what, n]]);
  expect(await copiedLines(1)).toEqual(robot.lines());
});

test('a device that tells without end fills nothing: so much at once, and findings only so many a day', async () => {
  await updates(2);
  await robot.tell();
  for (let i = 0; i < 30; i += 1) {
    robot.write([]);
    robot.restart();
    await updates(1);
    await robot.tell();
  }
  expect(await findings()).toHaveLength(10);
  expect(hub.told).toHaveLength(10);
});

test('an entry that was changed before the hub heard of it: the card says which, in both languages', async () => {
  await updates(2);
  const lines = robot.lines();
  robot.write(lines.map((line, i) => (i === 2 ? line.replace('succeeded', 'rolled-back') : line)));
  robot.restart();
  await robot.tell();
  expect(await findings()).toEqual([['d-robot', 'broken', 3]]);
  expect(hub.told.map(({ title, text }) => [title, ...(text ?? [])])).toEqual([
    [
      'The audit log of robot is not the one it was',
      'Entry 3 does not fit the one before it: one of them was changed.',
    ],
  ]);
  expect(hub.toldInChinese.map(({ title, text }) => [title, ...(text ?? [])])).toEqual([
    ['robot 的审计日志与以前不一致', '第 3 条与前一条对不上：其中一条被改动过。'],
  ]);
});
