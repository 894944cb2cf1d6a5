import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MenuCommand } from '../../src/chat/contract.ts';
import { COMMANDS } from '../../src/commands/index.ts';
import { answer, type Bot, type BotOptions, makeBot, startBot } from '../support/discord/bot.ts';
import { type DiscordPlatform, startDiscord } from '../support/discord/index.ts';
import { until } from '../support/until.ts';

/** What is said on Discord and what is answered, with every fault of the platform. The library as it is, real sockets. */

let discord: DiscordPlatform;
const bots: Bot[] = [];

beforeEach(async () => {
  discord = await startDiscord();
});
afterEach(async () => {
  for (const { adapter } of bots.splice(0)) await adapter.stop();
  await discord.close();
});

async function started(options: BotOptions = {}): Promise<Bot> {
  const bot = await startBot(discord, options);
  bots.push(bot);
  return bot;
}
/** The hub is killed, and started again: what was in memory is gone, what was stored is there. */
async function again(bot: Bot, options: BotOptions = {}): Promise<Bot> {
  await bot.adapter.stop();
  return started({ sink: bot.sink, ...options });
}
const titles = () => discord.messages().map(({ title }) => title);
const MINUTE = 60_000;

test('a slash command is stored, then acknowledged; its first answer fills what was promised, the next is a message', async () => {
  const bot = await started();
  const request = await bot.asked('/update now web@1.2.0 --dry-run', { locale: 'zh' });
  expect(request).toMatchObject({
    text: '/update now web@1.2.0 --dry-run',
    person: discord.people.anna,
    personName: 'Anna',
    locale: 'zh',
    direct: false,
    route: { platform: 'discord', chat: discord.group },
  });
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId) !== undefined);
  expect(discord.acknowledgedAfter(request.eventId)).toBeLessThan(1_000);
  expect(titles()).toEqual([]);
  const first = await bot.adapter.send(answer(request, 'k1', 'fetching', {}, false));
  const next = await bot.adapter.send(answer(request, 'k2', 'done'));
  expect([first.result, next.result]).toEqual(['sent', 'sent']);
  expect(titles()).toEqual(['fetching', 'done']);
  expect(discord.messages().map(({ answers }) => answers)).toEqual([request.eventId, undefined]);
  if (first.result !== 'sent') return;
  expect(await bot.adapter.edit(first.ref, answer(request, 'k1', 'fetched'))).toMatchObject({ result: 'sent' });
  expect(titles()).toEqual(['fetched', 'done']);
});

test('a mention, a reply and a direct message are requests; other talk, other bots and hooks are not', async () => {
  const bot = await started();
  const mention = await bot.asked('重启一下', {});
  expect(mention).toMatchObject({ text: '重启一下', direct: false, route: { message: mention.eventId } });
  const direct = await bot.asked('check for updates', { place: 'direct', person: discord.people.ben });
  expect(direct).toMatchObject({ text: 'check for updates', direct: true, person: discord.people.ben });
  const before = bot.sink.accepted.length;
  discord.write('just talking');
  discord.write(`<@${discord.bot.id}> hi`, { extra: { webhook_id: '1234567890' } });
  discord.write(`<@${discord.bot.id}> hi`, { extra: { author: { id: '1', username: 'robot', bot: true } } });
  discord.write(`<@${discord.bot.id}> joined`, { extra: { type: 7 } });
  discord.write('@everyone look');
  const last = discord.write(`hey <@!${discord.bot.id}>  update   web please`, {
    extra: { mentions: [{ id: discord.bot.id }], content: `hey <@!${discord.bot.id}>  update web` },
  });
  await until('the last one', () => bot.sink.events.has(last));
  expect(bot.sink.accepted.slice(before).map(({ text }) => text)).toEqual(['hey update web']);
  const answered = await bot.adapter.send(answer(mention, 'k1', 'restarted'));
  expect(answered.result).toBe('sent');
  expect(discord.messages()[0]?.answers).toBe(mention.eventId);
});

test('a slash command in a direct chat and in a thread is answered there', async () => {
  const bot = await started();
  const direct = await bot.asked('/help', { place: 'direct' });
  expect(direct).toMatchObject({ direct: true, text: '/help' });
  await bot.adapter.send(answer(direct, 'k1', 'here'));
  expect(discord.messages()[0]).toMatchObject({ place: 'direct', person: discord.people.anna });
  const thread = discord.thread();
  const id = await discord.slash('/update check', thread);
  const request = await until('the request', () => bot.sink.accepted.find(({ eventId }) => eventId === id));
  expect(request).toMatchObject({ direct: false, route: { chat: thread } });
  await bot.adapter.send(answer(request, 'k2', 'in the thread'));
  await bot.adapter.send(answer(request, 'k3', 'more'));
  expect(discord.messages().slice(1)).toMatchObject([{ thread }, { thread }]);
});

test('only the servers that are configured are served; direct messages are', async () => {
  const bot = await started({ settings: { guilds: [discord.guild.id] } });
  discord.write(`<@${discord.bot.id}> hi`, { extra: { guild_id: '999999999999999999' } });
  const here = await bot.asked('in the group');
  const direct = await bot.asked('alone', { place: 'direct' });
  expect(bot.sink.accepted).toEqual([here, direct]);
});

test('an event told twice has one id, and is acknowledged once', async () => {
  const bot = await started();
  discord.fault({ on: 'event', do: 'duplicate' });
  const request = await bot.asked();
  await until('the second time', () => bot.sink.accepted.length === 2);
  expect(bot.sink.events.size).toBe(1);
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId) !== undefined);
  expect(discord.calls().filter(({ what }) => what === 'acknowledge').length).toBe(1);
});

test('an interaction is not acknowledged while it is not stored', async () => {
  const bot = await started();
  const accept = bot.sink.accept.bind(bot.sink);
  let refused = 0;
  bot.sink.accept = async (request) => {
    refused += 1;
    if (refused < 3) throw new Error('the store is busy');
    expect(discord.calls().some(({ what }) => what === 'acknowledge')).toBe(false);
    return accept(request);
  };
  const request = await bot.asked();
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId) !== undefined);
  expect(refused).toBe(3);
});

test('an interaction that can never be stored is never acknowledged', async () => {
  const bot = await started();
  bot.sink.accept = async () => {
    throw new Error('the disk is full');
  };
  await discord.type('/update');
  await until('that it gave up', () => bot.logs.some(({ event }) => event === 'discord_event_not_stored'));
  expect(discord.calls().some(({ what }) => what === 'acknowledge')).toBe(false);
});

test('an acknowledgement whose connection is cut is given again in time', async () => {
  const bot = await started();
  discord.fault({ on: 'acknowledge', do: 'drop' });
  const request = await bot.asked();
  // Within the same millisecond is 0: not there is `undefined`.
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId) !== undefined);
  const after = discord.acknowledgedAfter(request.eventId);
  expect(after).toBeLessThan(3_000);
});

test('an answer that is there sooner than the acknowledgement fills what was promised all the same', async () => {
  const bot = await started();
  discord.fault({ on: 'acknowledge', do: 'delay', ms: 400 });
  const request = await bot.asked('/update status');
  expect((await bot.adapter.send(answer(request, 'k1', 'at once'))).result).toBe('sent');
  expect(discord.messages().map(({ title, answers }) => [title, answers])).toEqual([['at once', request.eventId]]);
});

test('who gets no answer sees no promise of one either', async () => {
  const bot = await started();
  discord.fault({ on: 'acknowledge', do: 'delay', ms: 200 });
  const request = await bot.asked('/update status');
  await bot.adapter.dismiss?.(request.route);
  expect(discord.acknowledgedAfter(request.eventId)).toBeDefined();
  const deleted = discord.calls().filter(({ name }) => name.startsWith('DELETE'));
  expect(deleted.map(({ answered }) => answered)).toEqual([204]);
  // A mention promises nothing.
  await bot.adapter.dismiss?.((await bot.asked('hello')).route);
  expect(discord.calls().filter(({ name }) => name.startsWith('DELETE'))).toHaveLength(1);
});

test('an event that came too late to be acknowledged is answered by an ordinary message', async () => {
  const bot = await started();
  discord.hold();
  const id = await discord.type('/update');
  discord.advance(4_000);
  discord.release();
  const request = await until('the request', () => bot.sink.accepted.find(({ eventId }) => eventId === id));
  await until('the refusal', () => bot.logs.some(({ event }) => event === 'discord_acknowledged_late'));
  expect((await bot.adapter.send(answer(request, 'k1', 'late'))).result).toBe('sent');
  expect(discord.messages()).toMatchObject([{ title: 'late', answers: undefined }]);
});

test('after 15 minutes the result is an ordinary message, and the progress card is edited still', async () => {
  const bot = await started();
  const request = await bot.asked('/update now web');
  const progress = await bot.adapter.send(answer(request, 'k1', 'fetching', {}, false));
  if (progress.result !== 'sent') throw new Error(progress.result);
  for (let minute = 0; minute < 16; minute += 1) {
    discord.advance(MINUTE);
    bot.advance(MINUTE);
    const edited = await bot.adapter.edit(progress.ref, answer(request, 'k1', `minute ${minute}`, {}, false));
    expect(edited.result).toBe('sent');
  }
  expect((await bot.adapter.send(answer(request, 'k2', 'updated'))).result).toBe('sent');
  expect(titles()).toEqual(['minute 15', 'updated']);
});

test.each([
  ['the clocks agree', 16 * MINUTE],
  ['the token is dead earlier than expected', 0],
])('a promised reply that was never filled does no harm (%s)', async (_, shift) => {
  const bot = await started();
  const request = await bot.asked('/update now web');
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId) !== undefined);
  discord.advance(16 * MINUTE);
  bot.advance(shift);
  expect((await bot.adapter.send(answer(request, 'k1', 'updated'))).result).toBe('sent');
  expect(titles()).toEqual(['updated']);
});

test('a hub that starts again fills what was promised, and never overwrites what is filled', async () => {
  const first = await started();
  const one = await first.asked('/update check');
  const two = await first.asked('/update check');
  await first.adapter.send(answer(one, 'k1', 'first', {}, false));
  const next = await again(first);
  await next.adapter.send(answer(one, 'k2', 'second'));
  await next.adapter.send(answer(two, 'k3', 'third'));
  expect(discord.messages().map(({ title, answers }) => [title, answers])).toEqual([
    ['first', one.eventId],
    ['third', two.eventId],
    ['second', undefined],
  ]);
});

test.each([
  ['while Discord knows the nonce', 0, 'mention me'],
  ['when the nonce is forgotten', 10 * MINUTE, 'mention me'],
  ['of a promised reply', 0, '/update check'],
  ['of a promised reply whose token has died', 20 * MINUTE, '/update check'],
])('a message whose answer was lost is one message, also after a kill: %s', async (_, wait, text) => {
  const bot = await started();
  const request = await bot.asked(text);
  const final = answer(request, 'k1', 'done', { text: ['it *works*  '], fields: [{ name: 'a', value: 'b' }] });
  const since = Date.now();
  discord.fault({ on: 'send', do: 'lose-answer' });
  const lost = await bot.adapter.send(final);
  expect(lost).toMatchObject({ result: 'retry' });
  expect(lost).not.toHaveProperty('notSent');
  // Somebody else was answered meanwhile.
  const other = await bot.asked('something else');
  expect((await bot.adapter.send(answer(other, 'k0', 'other'))).result).toBe('sent');
  discord.advance(wait);
  const next = await again(bot);
  next.advance(wait);
  const sent = await next.adapter.send({ ...final, maybeSent: { since } });
  if (sent.result !== 'sent') throw new Error(JSON.stringify(sent));
  expect(titles()).toEqual(['done', 'other']);
  expect((await next.adapter.edit(sent.ref, answer(request, 'k1', 'edited'))).result).toBe('sent');
  expect(titles()).toEqual(['edited', 'other']);
});

test('a message that never arrived is sent, however long ago it was tried; like ones of others are no proof', async () => {
  const bot = await started();
  const [one, two] = [await bot.asked('check'), await bot.asked('check')];
  await bot.adapter.send(answer(one, 'k1', 'up to date'));
  discord.fault({ on: 'send', do: 'drop' });
  expect((await bot.adapter.send(answer(two, 'k2', 'up to date'))).result).toBe('retry');
  discord.advance(10 * MINUTE);
  const next = await again(bot);
  next.advance(10 * MINUTE);
  const since = Date.now() - 1_000;
  expect((await next.adapter.send({ ...answer(two, 'k2', 'up to date'), maybeSent: { since } })).result).toBe('sent');
  expect(discord.messages().map(({ title, answers }) => [title, answers])).toEqual([
    ['up to date', one.eventId],
    ['up to date', two.eventId],
  ]);
});

test('buttons carry their command, or a short name of it; one that nobody knows is said to be so', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  const long = `/update now ${'x'.repeat(200)}`;
  const buttons = [
    { label: 'One', command: '/update now web' },
    { label: 'Same', command: '/update now web' },
    { label: 'Long', command: long },
  ];
  await bot.adapter.send(answer(request, 'k1', 'card', { buttons }));
  const [card] = discord.messages();
  if (!card) throw new Error('no card');
  const pressed = async (customId: string) => {
    const id = discord.pressRaw(card.id, customId, discord.people.ben);
    return until('the press', () => bot.sink.accepted.find(({ eventId }) => eventId === id));
  };
  const texts = [];
  for (const { value } of card.buttons) texts.push((await pressed(value)).text);
  expect(texts).toEqual(['/update now web', '/update now web', long]);
  const press = await pressed(card.buttons[0]?.value ?? '');
  expect(press).toMatchObject({ person: discord.people.ben, route: { message: card.id }, personName: 'Ben' });
  await until('the acknowledgement', () => discord.acknowledgedAfter(press.eventId) !== undefined);
  for (const unknown of ['old', 'c:', 's1:forgotten', 'x0:/update', 'c0:']) {
    expect(await pressed(unknown)).toMatchObject({ unknownButton: true, text: '' });
  }
  // The answer is a message of its own, to the card; the card stays as it is.
  expect((await bot.adapter.send(answer(press, 'k2', 'pressed'))).result).toBe('sent');
  expect(discord.messages().map(({ title, answers }) => [title, answers])).toEqual([
    ['card', request.eventId],
    ['pressed', card.id],
  ]);
});

test('what is being typed is completed in time', async () => {
  const bot = await started();
  const asked: string[] = [];
  bot.sink.complete = async (text) => {
    asked.push(text);
    return ['/update now web', '/update now worker', '/update now --force', '/update now'];
  };
  expect(await discord.offered('/update now', 'app', 'w')).toEqual(['web', 'worker']);
  bot.sink.complete = async (text) => {
    asked.push(text);
    return Array.from({ length: 40 }, (_, i) => `/update now web 1.${i}.0`);
  };
  expect((await discord.offered('/update now web', 'version', '1')).length).toBe(25);
  expect(asked).toEqual(['/update now w', '/update now web 1']);
  bot.sink.complete = () => new Promise(() => undefined);
  expect(await discord.offered('/update now', 'app', '')).toEqual([]);
  bot.sink.complete = () => Promise.reject(new Error('busy'));
  expect(await discord.offered('/update now', 'app', '')).toEqual([]);
});

const registers = () =>
  discord
    .calls()
    .filter(({ what }) => what === 'register')
    .map(({ answered }) => answered);
const FEW: readonly MenuCommand[] = COMMANDS.slice(0, 3);
/** Discord has one command a noun. */
const NOUNS = new Set(COMMANDS.map(({ name }) => name.split(' ')[0])).size;

test('commands are registered once, and anew only where they have changed', async () => {
  const first = await started();
  await until('that it is noted', () => first.logs.some(({ event }) => event === 'discord_commands'));
  expect(registers()).toEqual([200]);
  expect(discord.commands.get('global')?.length).toBe(NOUNS);
  const second = await again(first);
  await second.asked();
  expect(registers()).toEqual([200]);
  await again(second, { deps: { commands: FEW } });
  await until('the registration', () => discord.commands.get('global')?.length === 1);
  expect(registers()).toEqual([200, 200]);
});

test('where servers are named, each has the commands, and a place that is served no more has none', async () => {
  const first = await started();
  const { id } = discord.guild;
  const second = await again(first, { settings: { guilds: [id] } });
  await until('the registration', () => discord.commands.get('global')?.length === 0);
  expect(discord.commands.get(id)?.length).toBe(NOUNS);
  await again(second);
  await until('the registration', () => discord.commands.get(id)?.length === 0);
  expect(discord.commands.get('global')?.length).toBe(NOUNS);
});

test('commands that a server does not take are said, and offered when it does', async () => {
  discord.deny('commands');
  const bot = makeBot(discord, { settings: { guilds: [discord.guild.id] } });
  bots.push(bot);
  await bot.adapter.start(bot.sink);
  await until('the failure', () => bot.logs.some(({ event }) => event === 'discord_commands_failed'));
  discord.deny();
  discord.invite();
  await until('the registration', () => discord.commands.get(discord.guild.id)?.length === NOUNS);
});

test('events that come late, twice or in another order are all stored; those that are lost harm nobody', async () => {
  const bot = await started();
  discord.fault({ on: 'event', do: 'lose' });
  await discord.type('lost');
  discord.fault({ on: 'event', do: 'reorder' });
  const second = await discord.type('second');
  const first = await discord.type('first');
  await until('both', () => bot.sink.events.has(second) && bot.sink.events.has(first));
  expect(bot.sink.accepted.map(({ text }) => text)).toEqual(['first', 'second']);
  discord.fault({ on: 'event', do: 'delay', ms: 300 });
  await bot.asked('late');
});
