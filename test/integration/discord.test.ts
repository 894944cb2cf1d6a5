import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MenuCommand, Reply } from '../../src/chat/contract.ts';
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
const sends = () => discord.calls().filter(({ what }) => what === 'send').length;
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
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId));
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
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId));
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
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId));
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
  const after = await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId));
  expect(after).toBeLessThan(3_000);
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
  await until('the acknowledgement', () => discord.acknowledgedAfter(request.eventId));
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

test.each([500, 502, 503])('status %i: tried again, with the same nonce', async (status) => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.fault({ on: 'send', do: 'status', status });
  const failed = await bot.adapter.send(answer(request, 'k1', 'once'));
  expect(failed).toMatchObject({ result: 'retry', reason: `HTTP ${status}` });
  expect((await bot.adapter.send(answer(request, 'k1', 'once'))).result).toBe('sent');
  const nonces = discord
    .calls()
    .flatMap(({ what, body }) => (what === 'send' ? [(body as { nonce: string }).nonce] : []));
  expect(new Set(nonces).size).toBe(1);
  expect(titles()).toEqual(['once']);
});

test('a rate limit is told with its wait, at once; an edit does not queue behind it', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  const sent = await bot.adapter.send(answer(request, 'k1', 'fetching'));
  if (sent.result !== 'sent') throw new Error(sent.result);
  discord.fault({ on: 'edit', do: 'rate-limit', retryAfterMs: 3_000 });
  const from = performance.now();
  const limited = await bot.adapter.edit(sent.ref, answer(request, 'k1', 'more'));
  expect(performance.now() - from).toBeLessThan(1_000);
  expect(limited).toMatchObject({ result: 'retry', notSent: true });
  expect(limited.result === 'retry' && limited.afterMs).toBeGreaterThanOrEqual(3_000);
  discord.fault({ on: 'send', do: 'rate-limit', retryAfterMs: 500 });
  expect(await bot.adapter.send(answer(request, 'k2', 'result'))).toMatchObject({ result: 'retry', notSent: true });
});

test('a message that was deleted, or that is none of Discord, can not be edited', async () => {
  const bot = await started();
  const request = await bot.asked();
  const sent = await bot.adapter.send(answer(request, 'k1', 'fetching'));
  if (sent.result !== 'sent') throw new Error(sent.result);
  discord.remove(discord.messages()[0]?.id ?? '');
  const done = answer(request, 'k1', 'done');
  expect(await bot.adapter.edit(sent.ref, done)).toMatchObject({ result: 'impossible', reason: /10008/ });
  expect(await bot.adapter.edit('om_other', done)).toMatchObject({ result: 'impossible' });
  expect(await bot.adapter.edit('1/2', done)).toMatchObject({ result: 'impossible', reason: /10003/ });
});

test('removed from the server, or without a permission: said why, in the log too; a promised way is used while it is open', async () => {
  const bot = await started();
  const mention = await bot.asked('hello');
  const slash = await bot.asked('/update');
  await until('the acknowledgement', () => discord.acknowledgedAfter(slash.eventId));
  discord.deny('send');
  expect(await bot.adapter.send(answer(mention, 'k1', 'x'))).toMatchObject({ result: 'impossible', reason: /50013/ });
  expect((await bot.adapter.send(answer(slash, 'k2', 'first', {}, false))).result).toBe('sent');
  expect((await bot.adapter.send(answer(slash, 'k3', 'second'))).result).toBe('sent');
  expect(titles()).toEqual(['first', 'second']);
  discord.deny();
  discord.kick();
  expect(await bot.adapter.send(answer(mention, 'k4', 'x'))).toMatchObject({ result: 'impossible', reason: /50001/ });
  expect(bot.logs.filter(({ event }) => event === 'discord_refused').length).toBe(2);
  await until('the log', () => bot.logs.some(({ event }) => event === 'discord_removed'));
  expect(bot.adapter.connection().state).toBe('connected');
});

test('without the permission to read the history, an answer is no reply, but is there', async () => {
  const bot = await started();
  discord.deny('history');
  const request = await bot.asked('hello');
  expect((await bot.adapter.send(answer(request, 'k1', 'here'))).result).toBe('sent');
  expect(discord.messages()).toMatchObject([{ title: 'here', answers: undefined }]);
});

test('a card that is far too large is cut, never refused; title and buttons stay; nobody is pinged', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  const long = '@everyone <@1> `*_~|[](x) 更新'.repeat(2_000);
  const many = Array.from({ length: 200 }, (_, i) => `${i} ${long.slice(0, 300)}`);
  const reply: Partial<Reply> = {
    tone: 'bad',
    text: [long, long],
    fields: many.map((value, i) => ({ name: i % 2 ? '' : value, value: i % 3 ? value : '' })),
    table: { columns: ['a', 'b'], rows: many.map((cell) => [cell, cell]) },
    progress: { label: long, step: 1, steps: 2, done: 5, total: 4, detail: long },
    code: many.join('\n'),
    buttons: many.map((label, i) => ({ label, command: `/update now ${label} ${i}`, style: 'danger' as const })),
    hints: many,
  };
  expect((await bot.adapter.send(answer(request, 'k1', long, reply))).result).toBe('sent');
  const [message] = discord.messages();
  expect(message?.buttons.length).toBe(25);
  expect(message?.title).toMatch(/^@everyone/);
  const [send] = discord.calls().filter(({ what }) => what === 'send');
  expect(send?.body).toMatchObject({ allowed_mentions: { parse: [] }, enforce_nonce: true });
  expect(sends()).toBe(1);
});

test('a form that Discord refuses is sent without what may be refused', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.refuseEmbeds();
  const message = answer(request, 'k1', 'title', { text: ['words'], buttons: [{ label: 'Go', command: '/update' }] });
  expect((await bot.adapter.send(message)).result).toBe('sent');
  expect(discord.messages()[0]?.text).toBe('title\nwords');
  expect(discord.messages()[0]?.buttons.length).toBe(1);
});

test('where the bot may not embed, the words are text', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.deny('embed');
  const words = { text: ['words'], fields: [{ name: 'version', value: '1' }] };
  const sent = await bot.adapter.send(answer(request, 'k1', 'title', words));
  if (sent.result !== 'sent') throw new Error(sent.result);
  expect(discord.messages()[0]?.text).toBe('title\nwords\nversion: 1');
  const before = discord.calls().length;
  await bot.adapter.edit(sent.ref, answer(request, 'k1', 'other', words));
  expect(discord.messages()[0]?.text).toBe('other\nwords\nversion: 1');
  expect(discord.calls().length).toBe(before + 1);
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
  await until('the acknowledgement', () => discord.acknowledgedAfter(press.eventId));
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
