import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChatWorld, makeChatWorld } from '../support/chat-world.ts';
import { startTelegram } from '../support/telegram/index.ts';
import { until } from '../support/until.ts';

/** The shipped hub in a chat, attacked: codes, forged words, kills at the worst moment. */

let world: ChatWorld;
let version = 0;
beforeAll(async () => {
  world = await makeChatWorld(startTelegram);
  const { ben } = world.chat.people;
  await world.chat.type(`/admin add telegram:${ben} operator`, { place: 'direct' });
  await until('the operator', () => world.query("select 1 from people where role = 'operator'").length > 0);
  world.execute('update people set approver_since = approver_since - 90000000');
}, 120_000);
afterAll(() => world?.close(), 60_000);

const log = () => readFileSync(world.home.layout.appLog('hub'), 'utf8');
const people = () => world.query<{ role: string }>('select role from people').map(({ role }) => role);

async function freshCode(): Promise<string> {
  const { out } = await world.home.fettle(['claim']);
  return /\/admin claim (\S+)/.exec(out)?.[1] ?? '';
}

/** Resolves once the hub has been told these events, and has worked on them. */
async function read(events: readonly string[]): Promise<void> {
  const all = () => events.every((id) => world.chat.acknowledgedAfter(id) !== undefined);
  await until('all to be told', all);
  await until('all to be read', () => world.query('select 1 from inbox where done = 0').length === 0);
  await world.quiet();
}

/** Resolves as soon as a query finds something. */
async function asSoonAs(sql: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (world.query(sql).length === 0) {
    if (performance.now() > end) throw new Error(`never: ${sql}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each([
  ['the word is stored', "select 1 from inbox where request like '%/update approve%' and done = 0"],
  ['the word is given', "select 1 from approvals where decision = 'approved'"],
  ['the order is out', "select 1 from updates where app = 'vault' and state not in ('approving', 'queued')"],
])('kill -9 of the hub when %s: one update, one final answer, one word', { timeout: 120_000 }, async (_, moment) => {
  const { chat } = world;
  version += 1;
  const to = `1.${version}.0`;
  await world.release('vault', to);
  world.execute('delete from approvals where decision is not null');
  world.execute("delete from inbox where request like '%/update approve%'");
  world.execute("delete from updates where app = 'vault' and state in ('succeeded')");
  const from = chat.messages().length;
  await chat.type('/update now vault');
  await asSoonAs("select 1 from updates where app = 'vault' and state = 'approving'");
  const [row] = world.query<{ id: string }>("select id from updates where app = 'vault' and state = 'approving'");
  await chat.type(`/update approve ${row?.id}`, { person: chat.people.ben, place: 'direct' });
  await asSoonAs(moment);
  await world.killHub();
  await until(
    'the end',
    () => world.query(`select 1 from updates where id = '${row?.id}' and state = 'succeeded'`).length > 0,
    60_000,
  );
  await world.quiet();
  const said = chat.messages().slice(from);
  expect(said.filter(({ text }) => text.includes(`back online, ${to}`))).toHaveLength(1);
  expect(said.filter(({ title }) => /^\W*Approved/.test(title) && !title.includes('by'))).toHaveLength(1);
  expect(world.query(`select 1 from audit where action = 'approve' and after = '${row?.id}'`)).toHaveLength(1);
});

test('a flood of somebody unknown leaves the hub answering, and little behind', { timeout: 90_000 }, async () => {
  const { chat } = world;
  const stranger = chat.people.eve;
  const from = chat.messages().length;
  const before = world.query('select 1 from inbox').length;
  const events = await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      chat.type(`hello ${i} ${'x'.repeat(3_000)}`, { person: stranger, place: 'direct' }),
    ),
  );
  await chat.type('/update');
  await world.shown('the answer', ({ text }) => text.includes('vault'), from);
  await read(events);
  expect(world.query('select 1 from inbox').length - before).toBeLessThanOrEqual(3);
  expect(
    chat
      .messages()
      .slice(from)
      .filter(({ person }) => person === stranger).length,
  ).toBeLessThanOrEqual(1);
});

test('a code is taken once, of many who send it at once, and is nowhere in the clear but in what they sent', {
  timeout: 90_000,
}, async () => {
  const { chat } = world;
  const before = people().filter((role) => role === 'admin').length;
  const code = await freshCode();
  const events = await Promise.all([
    chat.type(`/admin claim ${code}`, { person: chat.people.ben, place: 'direct' }),
    chat.type(`/admin claim ${code}`, { person: chat.people.eve, place: 'direct' }),
    chat.type(`/admin claim ${code}`, { person: chat.people.eve, place: 'direct' }),
  ]);
  await read(events);
  expect(people().filter((role) => role === 'admin')).toHaveLength(before + 1);
  const folded = code.replaceAll('-', '');
  const everything = JSON.stringify([
    log(),
    world.query('select * from outbox'),
    world.query('select * from audit'),
    world.query('select * from person_codes'),
    world.query('select * from meta'),
    chat.messages(),
  ]);
  expect(everything).not.toContain(code);
  expect(everything).not.toContain(folded);
});

test('a code typed in the group is worth nothing afterwards, also over a kill of the hub', {
  timeout: 90_000,
}, async () => {
  const { chat } = world;
  world.execute(
    `update people set role = 'viewer' where id in (select owner from identities where person = '${chat.people.ben}')`,
  );
  const code = await freshCode();
  const from = chat.messages().length;
  await chat.type(`/admin claim ${code}`, { person: chat.people.ben, place: 'group' });
  await world.killHub();
  await world.shown('the refusal', ({ place, text }) => place === 'group' && /code|direct/i.test(text), from);
  await read([await chat.type(`/admin claim ${code}`, { person: chat.people.ben, place: 'direct' })]);
  const role = `select role from people where id in (select owner from identities where person = '${chat.people.ben}')`;
  expect(world.query(role)).toEqual([{ role: 'viewer' }]);
});
