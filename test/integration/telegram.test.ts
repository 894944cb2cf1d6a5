import { expect, test } from 'vitest';
import { menuOf } from '../../adapters/telegram/commands.ts';
import { COMMANDS } from '../../src/commands/index.ts';
import { outgoing, startBench } from '../support/telegram/adapter.ts';
import { until } from '../support/until.ts';

/** What Telegram tells, and what it is told, over the real library and its real protocol. */

test('a press: stored, then answered; with its command, or its short name, or as one that is not known any more', async () => {
  await using bench = await startBench();
  const { telegram, sink } = bench;
  const { route } = await bench.asked('/update');
  const long = `/update now ${'x'.repeat(80)}`;
  await bench.deliver(
    outgoing(route, 'card', {
      title: 'card',
      buttons: [
        { label: 'Go', command: '/update now web', style: 'primary' },
        { label: 'Long', command: long, style: 'danger' },
        { label: '按钮', command: '/update 更新更新更新更新更新更新更新更新更新更新' },
      ],
    }),
  );
  const [message] = telegram.messages();
  if (!message) throw new Error('no message');
  expect(message.buttons.map(({ value }) => Buffer.byteLength(value) <= 64)).toEqual([true, true, true]);
  const pressed = async (id: string) => {
    const request = await until('the press', () => sink.accepted.find(({ eventId }) => eventId === id));
    await until('its answer', () => telegram.pressAnswered(id));
    return request;
  };
  const [go, longer] = message.buttons;
  if (!go || !longer) throw new Error('no buttons');
  const first = await pressed(await telegram.press(message, go, telegram.people.ben));
  expect(first).toMatchObject({
    text: '/update now web',
    person: telegram.people.ben,
    personName: 'Ben',
    locale: 'en',
    direct: true,
    route: { chat: route.chat, message: message.id.split('/')[1] },
  });
  expect((await pressed(await telegram.press(message, longer))).text).toBe(long);
  for (const data of ['n:forgotten', 'v0:old', 'c:', 'c:no slash', '', '\u0000']) {
    expect(await pressed(telegram.forge(message, data))).toMatchObject({ unknownButton: true, text: '' });
  }
  // Of a message that is gone, Telegram tells the place alone.
  telegram.remove(message.id);
  expect(await pressed(await telegram.press(message, go))).toMatchObject({ text: '/update now web' });
});

test('a press that could not be stored is not answered; it comes again, and is', async () => {
  await using bench = await startBench();
  const { telegram, sink } = bench;
  const { route } = await bench.asked('/update');
  await bench.deliver(outgoing(route, 'card', { title: 'card', buttons: [{ label: 'Go', command: '/update now' }] }));
  const [message] = telegram.messages();
  const [button] = message?.buttons ?? [];
  if (!message || !button) throw new Error('no button');
  const accept = sink.accept.bind(sink);
  /** At each time that it came. */
  const answered: boolean[] = [];
  sink.accept = (request) => {
    answered.push(telegram.pressAnswered(request.eventId) || telegram.acknowledgedAfter(request.eventId) !== undefined);
    return accept(request);
  };
  sink.refuseNext = true;
  const id = await telegram.press(message, button);
  await until('its answer', () => telegram.pressAnswered(id));
  expect(answered).toEqual([false, false]);
  expect(sink.accepted.filter(({ eventId }) => eventId === id)).toHaveLength(1);
});

test('events before one that could not be stored are confirmed, it and those after it come again, in order', async () => {
  await using bench = await startBench();
  const { telegram, sink } = bench;
  const accept = sink.accept.bind(sink);
  let refusals = 3;
  sink.accept = async (request) => {
    if (request.text === '/two' && refusals > 0) {
      refusals -= 1;
      throw new Error('the store is busy');
    }
    return accept(request);
  };
  for (const text of ['/one', '/two', '/three']) telegram.say(text, { place: 'direct' });
  await until('all three', () => sink.accepted.length >= 3);
  expect([...new Set(sink.accepted.map(({ text }) => text))]).toEqual(['/one', '/two', '/three']);
  expect(refusals).toBe(0);
});

test.each(['duplicate', 'lose', 'reorder', 'delay'] as const)(
  'events with the fault %s: none is lost, each has one id',
  async (kind) => {
    await using bench = await startBench();
    const { telegram, sink } = bench;
    telegram.fault(kind === 'delay' ? { on: 'event', do: kind, ms: 80 } : { on: 'event', do: kind });
    const ids = ['/one', '/two', '/three'].map((text) => telegram.say(text, { place: 'direct' }));
    await until('all three', () => ids.every((id) => sink.events.has(id)));
    if (kind === 'duplicate') await until('the second time', () => sink.accepted.length > 3);
    expect(sink.events.size).toBe(3);
    if (kind === 'reorder') expect(sink.accepted.map(({ text }) => text)).toEqual(['/one', '/two', '/three']);
    await until('that all are confirmed', () => ids.every((id) => telegram.acknowledgedAfter(id) !== undefined));
  },
);

test('an acknowledgement that is lost: the events come again with their ids', async () => {
  await using bench = await startBench();
  const { telegram, sink } = bench;
  telegram.fault({ on: 'acknowledge', do: 'drop', times: 2 });
  const { eventId } = await bench.asked('/update');
  await until('that it is confirmed', () => telegram.acknowledgedAfter(eventId) !== undefined);
  expect(sink.events.size).toBe(1);
});

test('updates that nobody understands are passed over, and hold up nothing', async () => {
  await using bench = await startBench();
  const { telegram, sink, deps } = bench;
  telegram.raw('message', { message_id: 'no number' });
  telegram.raw('message', null);
  telegram.raw('callback_query', { id: '1', from: { id: 1, is_bot: false } });
  telegram.raw('my_chat_member', { chat: 5 });
  telegram.raw('message', { message_id: 1, chat: { id: 1, type: 'private' }, sticker: {} });
  expect((await bench.asked('/update')).text).toBe('/update');
  expect(sink.accepted).toHaveLength(1);
  expect(deps.logged.filter(({ event }) => event === 'telegram_event_unreadable')).toHaveLength(3);
});

test('threads, languages, replies: where it came from is where the answer goes', async () => {
  await using bench = await startBench({ forum: true });
  const { telegram } = bench;
  const topic = telegram.addTopic();
  const request = await bench.asked(`@${telegram.bot.username} 检查更新`, { place: 'group', topic, locale: 'zh-hans' });
  expect(request).toMatchObject({ text: '检查更新', locale: 'zh', direct: false, route: { thread: String(topic) } });
  await bench.deliver(outgoing(request.route, 'answer'));
  const [message] = telegram.messages();
  expect(message).toMatchObject({ thread: String(topic), answers: `${request.route.chat}/${request.route.message}` });
});

test('the topic is gone: the answer comes in the group; what is answered is gone: it comes all the same', async () => {
  await using bench = await startBench({ forum: true });
  const { telegram } = bench;
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, {
    place: 'group',
    topic: telegram.addTopic(),
  });
  telegram.remove(`${route.chat}/${route.message}`);
  await bench.deliver(outgoing({ ...route, thread: '999999' }, 'answer'));
  expect(telegram.messages()).toMatchObject([{ title: 'answer', thread: undefined, answers: undefined }]);
});

test('the group becomes a supergroup: answers follow it, and are sent once', async () => {
  await using bench = await startBench({ basicGroup: true });
  const { telegram } = bench;
  const { route } = await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' });
  const moved = telegram.migrate();
  await bench.deliver(outgoing(route, 'answer'));
  await bench.kill();
  await bench.deliver(outgoing(route, 'answer'));
  await bench.deliver(outgoing(route, 'next'));
  expect(telegram.messages().map(({ chat, title }) => [chat, title])).toEqual([
    [moved, 'answer'],
    [moved, 'next'],
  ]);
});

test('an edit whose answer was lost is done; one that changes nothing is done', async () => {
  await using bench = await startBench();
  const { route } = await bench.asked('/update');
  const sent = await bench.deliver(outgoing(route, 'card', 'one'));
  const ref = sent.result === 'sent' ? sent.ref : '';
  bench.telegram.fault({ on: 'edit', do: 'lose-answer' });
  expect(await bench.adapter.edit(ref, outgoing(route, 'card', 'two'))).toMatchObject({ result: 'retry' });
  expect(await bench.adapter.edit(ref, outgoing(route, 'card', 'two'))).toEqual({ result: 'sent', ref });
  expect(bench.telegram.messages()).toMatchObject([{ title: 'two', earlier: [expect.stringContaining('one')] }]);
});

test('edits that can never be: deleted, somebody else’s, no message at all, put out, blocked', async () => {
  await using bench = await startBench();
  const { telegram, adapter } = bench;
  const { route } = await bench.asked('/update');
  const group = (await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' })).route;
  const sent = await bench.deliver(outgoing(route, 'card'));
  const ref = sent.result === 'sent' ? sent.ref : '';
  telegram.remove(ref);
  const edit = (at: string) => adapter.edit(at, outgoing(route, 'card', 'changed'));
  expect(await edit(ref)).toMatchObject({ result: 'impossible', reason: expect.stringMatching(/not found/) });
  expect(await edit(`${group.chat}/${group.message}`)).toMatchObject({
    result: 'impossible',
    reason: expect.stringMatching(/can't be edited/),
  });
  expect(await edit('nonsense')).toMatchObject({ result: 'impossible' });
  expect(await edit('-5/1')).toMatchObject({ result: 'impossible', reason: expect.stringMatching(/chat not found/) });
  telegram.expel('group');
  telegram.expel('direct');
  expect(await adapter.send(outgoing(group, 'g'))).toMatchObject({
    result: 'impossible',
    reason: expect.stringMatching(/kicked/),
  });
  expect(await adapter.send(outgoing(route, 'd'))).toMatchObject({
    result: 'impossible',
    reason: expect.stringMatching(/blocked/),
  });
  const stranger = { platform: 'telegram', chat: telegram.people.eve };
  expect(await adapter.send(outgoing(stranger, 's'))).toMatchObject({
    result: 'impossible',
    reason: expect.stringMatching(/initiate/),
  });
  await until(
    'that it is logged',
    () => bench.deps.logged.filter(({ event }) => event === 'telegram_standing').length === 2,
  );
  expect(adapter.connection().state).toBe('connected');
});

test('429: the waiting time is obeyed, for that chat and for no other', async () => {
  await using bench = await startBench();
  const { telegram, adapter } = bench;
  const { route } = await bench.asked('/update');
  const other = (await bench.asked(`/update@${telegram.bot.username}`, { place: 'group' })).route;
  telegram.fault({ on: 'send', do: 'rate-limit', retryAfterMs: 7_000 });
  expect(await adapter.send(outgoing(route, 'a'))).toMatchObject({ result: 'retry', afterMs: 7_000, notSent: true });
  const calls = telegram.calls().filter(({ what }) => what === 'send').length;
  const again = await adapter.send(outgoing(route, 'a'));
  expect(again.result === 'retry' && again.notSent && again.afterMs > 5_000 && again.afterMs <= 7_000).toBe(true);
  expect(await adapter.edit(`${route.chat}/41`, outgoing(route, 'a'))).toMatchObject({ result: 'retry' });
  expect(telegram.calls().filter(({ what }) => what === 'send')).toHaveLength(calls);
  expect(await adapter.send(outgoing(other, 'b'))).toMatchObject({ result: 'sent' });
});

test('429 to an edit: edits wait, a message does not', async () => {
  await using bench = await startBench();
  const { telegram, adapter } = bench;
  const { route } = await bench.asked('/update');
  const card = await bench.deliver(outgoing(route, 'a'));
  const ref = card.result === 'sent' ? card.ref : '';
  telegram.fault({ on: 'edit', do: 'rate-limit', retryAfterMs: 60_000, times: 1 });
  const changed = outgoing(route, 'a', { title: 'b' });
  expect(await adapter.edit(ref, changed)).toMatchObject({ result: 'retry', afterMs: 60_000 });
  const edits = telegram.calls().filter(({ what }) => what === 'edit').length;
  expect(await adapter.edit(ref, changed)).toMatchObject({ result: 'retry' });
  expect(await adapter.send(outgoing(route, 'final'))).toMatchObject({ result: 'sent' });
  expect(telegram.calls().filter(({ what }) => what === 'edit')).toHaveLength(edits);
});

test.each([
  [500, { result: 'retry' }],
  [502, { result: 'retry' }],
  [403, { result: 'impossible' }],
  [400, { result: 'impossible' }],
])('a send that is answered %i', async (status, expected) => {
  await using bench = await startBench();
  const { route } = await bench.asked('/update');
  bench.telegram.fault({ on: 'send', do: 'status', status });
  expect(await bench.adapter.send(outgoing(route, 'a'))).toMatchObject(expected);
  expect(await bench.deliver(outgoing(route, 'a'))).toMatchObject({ result: 'sent' });
  expect(bench.telegram.messages()).toHaveLength(1);
});

test('a send that is answered late: not taken for sent, and not sent twice', async () => {
  await using bench = await startBench({ timings: { callMs: 150, settleMs: 400 } });
  const { route } = await bench.asked('/update');
  bench.telegram.fault({ on: 'send', do: 'delay', ms: 300 });
  expect(await bench.adapter.send(outgoing(route, 'a'))).toMatchObject({
    result: 'retry',
    reason: 'no answer in time',
  });
  await bench.deliver(outgoing(route, 'a'));
  expect(bench.telegram.messages()).toHaveLength(1);
});

test('text that is refused for its markup is sent without', async () => {
  await using bench = await startBench();
  const { route } = await bench.asked('/update');
  bench.telegram.refuseMarkup(true);
  const sent = await bench.deliver(outgoing(route, 'a', { title: 'a <b> & c', text: ['words'] }));
  expect(bench.telegram.stored()[0]?.text).toBe('ℹ️ a <b> & c\nwords');
  const ref = sent.result === 'sent' ? sent.ref : '';
  expect(await bench.adapter.edit(ref, outgoing(route, 'a', { title: 'b' }))).toMatchObject({ result: 'sent' });
  expect(bench.telegram.messages()[0]?.text).toBe('ℹ️ b');
});

test('the menu is the command table, in English and Chinese; it is registered once, and anew when it changed', async () => {
  await using bench = await startBench();
  const { telegram } = bench;
  await until('the menu', () => bench.sink.remembered.has('menu'));
  const menus = telegram.registered();
  expect(menus.map(({ scope, language }) => `${scope} ${language}`).sort()).toEqual([
    'all_group_chats ',
    'all_group_chats zh',
    'all_private_chats ',
    'all_private_chats zh',
  ]);
  for (const menu of menus) expect(menu.commands).toEqual(menuOf(COMMANDS, menu.language === 'zh' ? 'zh' : 'en'));
  const registrations = () => telegram.calls().filter(({ what }) => what === 'register').length;
  expect(registrations()).toBe(4);
  await bench.kill();
  await bench.asked('/update');
  expect(registrations()).toBe(4);
  bench.sink.remembered.set('menu', 'of an older version');
  await bench.kill();
  await until('the new menu', () => registrations() === 8);
});

test('a menu that Telegram does not take now is registered later', async () => {
  await using bench = await startBench({ refuseMenu: 3 });
  await until('the menu', () => bench.sink.remembered.has('menu'));
  expect(bench.deps.logged.filter(({ event }) => event === 'telegram_menu_failed')).toHaveLength(3);
  expect(bench.telegram.registered()).toHaveLength(4);
});

test('progress makes no sound, what ended does; links unfold nothing', async () => {
  await using bench = await startBench();
  const { route } = await bench.asked('/update');
  await bench.deliver(outgoing(route, 'a', { tone: 'busy', title: 'fetching' }));
  await bench.deliver(outgoing(route, 'b', { tone: 'good', title: 'done', text: ['https://example.org'] }));
  expect(bench.telegram.stored().map(({ silent }) => silent)).toEqual([true, false]);
  const bodies = bench.telegram.calls().filter(({ what }) => what === 'send');
  expect(bodies.every(({ body }) => JSON.stringify(body).includes('"is_disabled":true'))).toBe(true);
});
