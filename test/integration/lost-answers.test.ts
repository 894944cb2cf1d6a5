import { expect, test } from 'vitest';
import { lostAnswers } from '../../src/store/outbox.ts';
import {
  ask,
  chats,
  claim,
  DAY,
  hub,
  MINUTE,
  pass,
  SECOND,
  shownIn,
  start,
  tell,
  updates,
  usePeopleHub,
} from '../support/people-hub.ts';

/** The bot is put out of a chat, or may not write there, before what was asked there is answered. */

usePeopleHub();

const ANN = 'telegram:11';
const BEN = 'telegram:22';
const REASON = 'Forbidden: bot was kicked';
const lost = () => lostAnswers(hub.store.db, 'telegram', Date.now() - DAY);
const deadKeys = async () =>
  (await hub.store.db.selectFrom('outbox').select('key').where('state', '=', 'dead').orderBy('key').execute()).map(
    ({ key }) => key,
  );

/** From now on, nothing can be sent to a chat of Telegram; answers what lets it be again, and counts the tries. */
function shut(chat: string): { open(): void; tries(): number } {
  const { send, edit } = chats.telegram;
  let tries = 0;
  const refused = async () => {
    tries += 1;
    return { result: 'impossible', reason: REASON } as const;
  };
  chats.telegram.send = (message) => (message.route.chat === chat ? refused() : send(message));
  chats.telegram.edit = (ref, message) => (message.route.chat === chat ? refused() : edit(ref, message));
  return { open: () => Object.assign(chats.telegram, { send, edit }), tries: () => tries };
}

async function team(): Promise<void> {
  await start();
  await claim(ANN, 'Ann');
  await ask(ANN, `/admin add ${BEN} operator`);
}

test('what an update came to is told to the admins, once, with who asked and why they were not told', async () => {
  await team();
  const group = shut('g');
  await tell(BEN, '/update now web', { group: 'g', name: 'Ben' });
  await pass(MINUTE);
  expect((await updates()).map(({ state }) => state)).toEqual(['succeeded']);
  for (const told of [shownIn('telegram', 'dm-11'), shownIn('terminal')]) {
    const cards = told.filter(({ text }) => text?.some((line) => line.includes('was not told')));
    expect(cards).toHaveLength(1);
    expect(cards[0]?.title).toContain('web is back online, 1.1.0');
    expect(cards[0]?.text?.at(-1)).toBe(
      `Ben asked for this in a chat of Telegram that can't be written to any more (${REASON}), and was not told.`,
    );
  }
  expect(await lost()).toEqual([{ chat: 'g', times: 1, reason: REASON, at: expect.any(Number) }]);
  const status = async () => (await ask(ANN, '/update status')).fields?.find(({ name }) => name === 'Telegram')?.value;
  expect(await status()).toContain(`1 answer could not be given where it was asked for (${REASON})`);
  // Nothing is tried again for ever.
  const tries = group.tries();
  await pass(DAY / 2);
  expect(group.tries()).toBe(tries);

  // Let in again, what is asked there is answered there, and nothing is amiss any more.
  group.open();
  expect((await ask(BEN, '/update status web', { group: 'g' })).title).toContain('web');
  expect(await lost()).toEqual([]);
  expect(await status()).not.toContain('could not be given');
});

test('a chat that is an admin’s own is not told there, and a notice that is refused makes no further one', async () => {
  await team();
  await ask(ANN, '/update status', { group: 'g' });
  await ask(ANN, '/update status', { group: 'h' });
  shut('g');
  const inner = chats.telegram.send;
  chats.telegram.send = async (message) =>
    message.route.chat === 'h' ? { result: 'impossible', reason: REASON } : inner(message);
  await tell(ANN, '/update now web', { group: 'g' });
  await pass(MINUTE);
  const [row] = await updates();
  expect((await deadKeys()).filter((key) => key.includes('/lost'))).toEqual([`${row?.id}/lost@telegram:h`]);
  expect(await lost()).toMatchObject([{ chat: 'g', times: 1 }]);
});

test('other answers are counted, and told to nobody else: they may be a code', async () => {
  await team();
  shut('dm-11');
  const before = shownIn('terminal').length;
  await tell(ANN, '/admin link');
  await tell(ANN, '/update status');
  await pass(10 * SECOND);
  expect(await lost()).toMatchObject([{ chat: 'dm-11', times: 2, reason: REASON }]);
  expect(shownIn('terminal')).toHaveLength(before);
});
