import { expect, test } from 'vitest';
import { ANN, actions, asked, BOB, state, team } from '../support/approval-team.ts';
import {
  answerTo,
  ask,
  audit,
  DAY,
  device,
  finals,
  hub,
  MINUTE,
  pass,
  SECOND,
  shownIn,
  slowSource,
  tell,
  updates,
  usePeopleHub,
} from '../support/people-hub.ts';

/** Approvals under attack: what changes between a word and the update, and words that are not whose they seem to be. */

usePeopleHub();

const EVE = 'telegram:66';

test.each<[string, () => Promise<unknown>, RegExp, string]>([
  [
    'who approves is removed',
    () => ask('terminal:local', `/admin remove ${BOB}`),
    /needs the role|may not/i,
    'approving',
  ],
  [
    'who approves is made a viewer',
    () => ask('terminal:local', `/admin role ${BOB} viewer`),
    /needs the role/i,
    'approving',
  ],
  ['who asked is removed', () => ask('terminal:local', `/admin remove ${ANN}`), /may not do so/, 'failed'],
  ['who asked is made a viewer', () => ask('terminal:local', `/admin role ${ANN} viewer`), /may not do so/, 'failed'],
  [
    'the device runs another version',
    async () => {
      device.running.set('web', '1.0.5');
      await device.inventory();
    },
    /another version/,
    'failed',
  ],
  ['it is cancelled', () => ask(ANN, '/update cancel'), /cancelled|not.*wait/i, 'cancelled'],
  ['it is rejected', () => ask('terminal:local', '/update reject'), /rejected/i, 'failed'],
])('while the source is asked about the release, %s', async (_, happens, why, ends) => {
  await team('second');
  // Ann is not the last admin.
  await ask(ANN, '/admin add telegram:99 admin');
  const { event, id } = await asked();
  slowSource(15_000);
  const yes = await tell(BOB, `/update approve ${id}`);
  await pass(2 * SECOND);
  expect(answerTo(yes)).toBeUndefined();
  await happens();
  await pass(MINUTE);
  expect(`${answerTo(yes)?.title} ${answerTo(yes)?.text?.join()}`).toMatch(why);
  expect(await state()).toEqual([ends]);
  expect(device.carriedOut).toEqual([]);
  expect(finals(event)).toBe(ends === 'approving' ? 0 : 1);
});

test.each([
  ['approve', 'reject'],
  ['reject', 'approve'],
])('%s and %s at once: one of them counts, and is all that is told', async (one, other) => {
  await team('second');
  await ask(ANN, '/admin add discord:33 admin');
  await pass(DAY + MINUTE);
  const { event, id } = await asked();
  const both = [await tell(BOB, `/update ${one} ${id}`), await tell('discord:33', `/update ${other} ${id}`)];
  await pass(40 * SECOND);
  expect(both.map((word) => answerTo(word)?.tone).sort()).toEqual(['good', 'warn']);
  expect(finals(event)).toBe(1);
  const decided = await actions();
  expect(decided).toHaveLength(1);
  expect(device.carriedOut).toHaveLength(decided[0]?.startsWith('approve') ? 1 : 0);
});

test("an admin's button does for whoever presses it what they may do, wherever they press it", async () => {
  await team('second');
  await ask(ANN, `/admin add ${EVE} viewer`);
  const { id } = await asked();
  const buttons = shownIn('terminal').flatMap((reply) => reply.buttons ?? []);
  const commands = buttons.map(({ command }) => command).filter((command) => command.includes(id));
  expect(commands.length).toBeGreaterThanOrEqual(2);
  // A press carries its command, so it can say anything: another's button, one that was never shown, another chat's.
  for (const who of [EVE, 'telegram:77'])
    for (const text of [...commands, '/update auto on', '/admin role telegram:66 admin', '/settings window always'])
      for (const said of [{}, { group: 'everybody' }]) await tell(who, text, said);
  await pass(MINUTE);
  expect(await state()).toEqual(['approving']);
  expect(device.carriedOut).toEqual([]);
  expect((await audit()).filter(({ by }) => by === EVE || by === 'telegram:77')).toEqual([]);
  expect(await hub.people.roleOf('telegram', '66')).toBe('viewer');
  expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  await pass(40 * SECOND);
  expect(device.carriedOut).toHaveLength(1);
  // Pressed again, it finds that it is over.
  expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('warn');
  expect(device.carriedOut).toHaveLength(1);
});

test('a word that is told again, by its event, is nobody else’s word and no second one', async () => {
  await team('second');
  const first = await asked();
  const yes = await tell(BOB, `/update approve ${first.id}`);
  await pass(40 * SECOND);
  device.running.set('web', '1.0.0');
  await device.inventory();
  const second = await asked();
  // The platform tells it again a day later, when it is not known any more; somebody uses the same event for themselves.
  await hub.store.db.deleteFrom('inbox').execute();
  for (const [who, text] of [
    [BOB, `/update approve ${first.id}`],
    [BOB, '/update approve'],
    [ANN, '/update approve'],
    [EVE, '/update approve'],
  ] as const) {
    await hub.store.db.deleteFrom('inbox').execute();
    await tell(who, text, { eventId: yes.eventId });
    await pass(10 * SECOND);
  }
  expect((await updates()).map((row) => row.state)).toEqual(['succeeded', 'approving']);
  expect(device.carriedOut).toHaveLength(1);
  expect(finals(second.event)).toBe(0);
});

test('with --force, by another version, in parts: each way to a release asks for a word', async () => {
  await team('second');
  for (const text of ['/update now web --force', '/update now web@1.1.0', '/update now web 1.1.0 --force']) {
    await ask(ANN, text);
    expect((await updates()).at(-1)?.state).toBe('approving');
    // What waits is not begun by insisting.
    for (const more of ['/update now web --force', '/update now web', '/update auto on web', '/update resume'])
      await ask(ANN, more).catch(() => undefined);
    await pass(5 * MINUTE);
    expect(device.carriedOut).toEqual([]);
    await ask(ANN, '/update auto off web');
    await ask(ANN, '/update cancel').catch(() => undefined);
    await pass(MINUTE);
  }
  expect(device.carriedOut).toEqual([]);
});

test.each(['remove', 'role'])(
  'who loses the role (%s) while the source is asked has asked for nothing',
  async (how) => {
    await team('none');
    slowSource(15_000);
    const event = await tell(BOB, '/update now web');
    await pass(2 * SECOND);
    await ask(ANN, `/admin ${how} ${BOB}${how === 'role' ? ' viewer' : ''}`);
    await pass(MINUTE);
    expect(answerTo(event)?.title).toContain('needs the role operator');
    expect(await updates()).toEqual([]);
    expect(device.carriedOut).toEqual([]);
  },
);
