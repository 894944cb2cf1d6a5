import { expect, test } from 'vitest';
import { outgoing, startBench } from '../support/telegram/adapter.ts';
import { until } from '../support/until.ts';

/**
 * A message whose answer was lost (a kill between the call and its answer, a connection that breaks) is shown once, and
 * no other message is touched. The server gives ids as Telegram does: of a supergroup alone, of all other chats together.
 */

const PLACES = [
  ['a supergroup', 'group', {}],
  ['a basic group', 'group', { basicGroup: true }],
  ['a direct chat', 'direct', {}],
] as const;

test.each(PLACES)(
  'in %s: arrived, its answer lost, the hub killed: it is found, and shown once',
  async (_, place, options) => {
    await using bench = await startBench(options);
    const { telegram } = bench;
    const { route } = await bench.asked(`@${telegram.bot.username} /update`, { place });
    await bench.deliver(outgoing(route, 'before'));
    telegram.fault({ on: 'send', do: 'lose-answer' });
    const message = outgoing(route, 'answer', {
      title: 'back online',
      buttons: [{ label: 'Logs', command: '/update logs' }],
    });
    expect(await bench.adapter.send(message)).toMatchObject({ result: 'retry' });
    await bench.kill();
    // Others wrote meanwhile, and the bot was not told.
    telegram.chatter(place === 'group' && !('basicGroup' in options) ? 40 : 10, place);
    expect(await bench.deliver({ ...message, maybeSent: { since: 1 } })).toMatchObject({ result: 'sent' });
    const shown = telegram.messages();
    expect(shown.map(({ title }) => title)).toEqual(['before', 'back online']);
    // Looking changed nothing.
    expect(shown.flatMap(({ earlier }) => earlier)).toEqual([]);
  },
);

test('many messages of others before and after it: still found', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' });
  await bench.deliver(outgoing(route, 'before'));
  telegram.chatter(1_500);
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'answer'));
  telegram.chatter(100);
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['before', 'answer']);
  const probes = telegram.calls().filter(({ name }) => name.endsWith('editMessageCaption')).length;
  expect(probes).toBeLessThan(300);
});

test.each(PLACES)('in %s: it did not arrive: it is sent, once', async (_, place, options) => {
  await using bench = await startBench(options);
  const { telegram } = bench;
  const { route } = await bench.asked(`@${telegram.bot.username} /update`, { place });
  await bench.deliver(outgoing(route, 'before'));
  telegram.fault({ on: 'send', do: 'drop' });
  expect(await bench.adapter.send(outgoing(route, 'answer'))).toMatchObject({ result: 'retry' });
  telegram.chatter(5, place);
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['before', 'answer']);
});

test('the first message of all: nothing is known of the chat but what was asked', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  telegram.chatter(300);
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' });
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'answer'));
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['answer']);
});

test('a chat in which nobody has asked yet: found as well', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  telegram.chatter(2_000);
  const route = { platform: 'telegram', chat: telegram.chatId('group') };
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'news'));
  await bench.kill();
  await bench.deliver(outgoing(route, 'news'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['news']);
});

test('what was to be shown has changed meanwhile: the message that arrived shows the new state', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  const { route } = await bench.asked('/update');
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'card', 'fetching'));
  await bench.kill();
  await bench.deliver(outgoing(route, 'card', 'done'));
  expect(telegram.messages().map(({ title, earlier }) => [title, earlier.length])).toEqual([['done', 1]]);
});

test('another topic speaks first: the lost one is found before it is sent, and neither takes the other', async () => {
  await using bench = await startBench({ forum: true });
  const { telegram } = bench;
  const [one, two] = [telegram.addTopic(), telegram.addTopic()];
  const first = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group', topic: one });
  const second = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group', topic: two });
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(first.route, 'for one'));
  await bench.kill();
  await bench.deliver(outgoing(second.route, 'for two'));
  await bench.deliver(outgoing(first.route, 'for one'));
  expect(telegram.messages().map(({ title, thread, earlier }) => [title, thread, earlier.length])).toEqual([
    ['for one', String(one), 0],
    ['for two', String(two), 0],
  ]);
});

test('Telegram asks to wait in the middle of looking: it is gone on with, and nothing is sent twice', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' });
  telegram.chatter(9);
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'answer'));
  telegram.limitProbes(4);
  await bench.kill();
  const waited = await bench.deliverCounting(outgoing(route, 'answer'));
  expect(waited).toBeGreaterThan(2);
  expect(telegram.messages().map(({ title }) => title)).toEqual(['answer']);
});

test('a chat in which it can not be looked for now holds up no other', async () => {
  await using bench = await startBench();
  const { telegram, adapter } = bench;
  const anna = (await bench.asked('/update')).route;
  const ben = (await bench.asked('/update', { person: telegram.people.ben })).route;
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await adapter.send(outgoing(anna, 'for anna'));
  telegram.limitProbes(0);
  await until('the wait', async () => {
    const tried = await adapter.send(outgoing(anna, 'for anna'));
    return tried.result === 'retry' && tried.reason === 'Telegram asked to wait';
  });
  expect(await adapter.send(outgoing(ben, 'for ben'))).toMatchObject({ result: 'sent' });
  telegram.limitProbes(100);
  await bench.deliver(outgoing(anna, 'for anna'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['for anna', 'for ben']);
});

test('it was deleted before the hub knew of it: it is sent again', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  const { route } = await bench.asked('/update');
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'answer'));
  telegram.remove(telegram.messages()[0]?.id ?? '');
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['answer']);
});

test('put out of the chat while nobody knew: the next message says so, and nothing is looked for for ever', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' });
  telegram.fault({ on: 'send', do: 'lose-answer' });
  await bench.adapter.send(outgoing(route, 'answer'));
  telegram.expel('group');
  await bench.kill();
  expect(await bench.deliver(outgoing(route, 'answer'))).toMatchObject({
    result: 'impossible',
    reason: expect.stringMatching(/kicked/),
  });
});

test('the store is busy after a message was sent: it counts as sent, and is not sent again', async () => {
  await using bench = await startBench();
  const { telegram, sink } = bench;
  const { route } = await bench.asked('/update');
  const set = sink.memory.set;
  let writes = 0;
  sink.memory.set = async (key, value) => {
    writes += 1;
    if (writes === 2) throw new Error('the store is busy');
    await set(key, value);
  };
  await bench.deliver(outgoing(route, 'answer'));
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  expect(telegram.messages().map(({ title }) => title)).toEqual(['answer']);
});
