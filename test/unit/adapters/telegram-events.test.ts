import { expect, test } from 'vitest';
import { createReader, menuName, menuOf } from '../../../adapters/telegram/commands.ts';
import { readEvent, Update } from '../../../adapters/telegram/events.ts';
import { findLostMessage, type Probe } from '../../../adapters/telegram/lost-message.ts';
import { LANGUAGES, type MenuCommand } from '../../../src/chat/contract.ts';
import { COMMANDS } from '../../../src/commands/index.ts';
import { detect } from '../../support/telegram/markup.ts';

const ME = { id: 5, username: 'Fettle_bot' };
const reader = createReader(COMMANDS, ME.username);

test('the menu equals the command table, in each language', () => {
  for (const language of LANGUAGES) {
    const menu = menuOf(COMMANDS, language);
    expect(menu.map(({ command }) => command)).toEqual(COMMANDS.map(({ name }) => name.replaceAll(' ', '_')));
    expect(menu.map(({ description }) => description)).toEqual(COMMANDS.map(({ help }) => help[language]));
    expect(menu.every(({ command }) => /^[a-z0-9_]{1,32}$/.test(command))).toBe(true);
    expect(menu.every(({ description }) => description.length >= 1 && description.length <= 256)).toBe(true);
    expect(menu.length).toBeLessThanOrEqual(100);
  }
  // Two commands with one name would hide each other.
  expect(new Set(COMMANDS.map(({ name }) => menuName(name))).size).toBe(COMMANDS.length);
});

test('names and descriptions that are too long are cut', () => {
  const help = { en: '🙂'.repeat(300), zh: '' };
  const long: MenuCommand = { name: `Über-lang ${'x'.repeat(40)}`, role: 'viewer', help, arguments: [] };
  const [made] = menuOf([long], 'en');
  expect(made?.command).toMatch(/^[a-z0-9_]{32}$/);
  expect(made?.description.length).toBeLessThanOrEqual(256);
  expect(made?.description.isWellFormed()).toBe(true);
  expect(menuOf([long], 'zh')[0]?.description.length).toBeGreaterThan(0);
  expect(
    menuOf(
      Array.from({ length: 120 }, () => long),
      'en',
    ),
  ).toHaveLength(100);
});

function heard(text: string, more: Record<string, unknown> = {}, type = 'supergroup') {
  const message = {
    message_id: 9,
    from: { id: 1, is_bot: false, first_name: 'Anna', last_name: 'A', language_code: 'de' },
    chat: { id: type === 'private' ? 1 : -1_001_234_567_890, type },
    text,
    entities: detect(text),
    ...more,
  };
  const event = readEvent(Update.parse({ update_id: 3, message }), ME, reader);
  return event.kind === 'request' ? event.request.text : undefined;
}

test.each([
  ['/update now web', '/update now web'],
  ['/update_now web', '/update now web'],
  ['/update_now@fettle_BOT web 1.2', '/update now web 1.2'],
  ['/update@Fettle_bot', '/update'],
  ['/UPDATE_now', '/update now'],
  ['@Fettle_bot 检查更新', '检查更新'],
  ['检查更新 @fettle_bot', '检查更新'],
  ['please @Fettle_bot restart', 'please restart'],
  ['@Fettle_bot /update_now web', '/update now web'],
  ['/start@Fettle_bot', '/help'],
  ['/nonsense@Fettle_bot', '/nonsense'],
  ['@Fettle_bot', ''],
])('in a group, %s is said to the bot', (text, command) => expect(heard(text)).toBe(command));

test.each([
  'hello',
  '/nonsense',
  '/update@other_bot',
  '/update_now@other_bot web',
  '@Fettle_bot2 hello',
  'mail@Fettle_bot.example',
  '@other_bot hello',
])('in a group, %s is not', (text) => expect(heard(text)).toBeUndefined());

test('in a direct chat everything is; Telegram’s own first words become the help', () => {
  expect(heard('hello', {}, 'private')).toBe('hello');
  expect(heard('/nonsense', {}, 'private')).toBe('/nonsense');
  expect(heard('/start', {}, 'private')).toBe('/help');
  expect(heard('/start payload', {}, 'private')).toBe('/help');
});

test('a mention by id, an answer to the bot, words below a picture', () => {
  const named = [{ type: 'text_mention', offset: 0, length: 6, user: { id: ME.id } }];
  expect(heard('Fettle restart', { entities: named })).toBe('restart');
  // Somebody else is one word, whatever they call themselves.
  const eve = [{ type: 'text_mention', offset: 12, length: 9, user: { id: 6 } }];
  expect(heard('/admin role Eve admin viewer', { entities: eve }, 'private')).toBe('/admin role telegram:6 viewer');
  const ours = { message_id: 8, from: { id: ME.id, is_bot: true }, chat: { id: 1, type: 'supergroup' } };
  expect(heard('yes', { reply_to_message: ours })).toBe('yes');
  expect(heard('/nonsense', { reply_to_message: ours })).toBe('/nonsense');
  // In a topic that the bot made, everything replies to the message that made it.
  expect(heard('talk', { reply_to_message: { ...ours, forum_topic_created: {} } })).toBeUndefined();
  expect(heard('talk', { reply_to_message: { ...ours, from: { id: 6, is_bot: true } } })).toBeUndefined();
  const below = { text: undefined, entities: undefined, caption: '/update', caption_entities: detect('/update') };
  expect(heard('', below)).toBe('/update');
});

test.each([
  [
    'forwarded',
    { forward_origin: { type: 'user', date: 1, sender_user: { id: 6, is_bot: false, first_name: 'Eve' } } },
  ],
  ['forwarded, as older servers tell it', { forward_date: 1 }],
  [
    'forwarded by a channel into its group',
    { forward_origin: { type: 'channel', date: 1 }, is_automatic_forward: true },
  ],
  ['made by another bot in line', { via_bot: { id: 7, is_bot: true, first_name: 'Other' } }],
])('words of somebody else are no command of who passes them on: %s', (_, more) => {
  for (const type of ['private', 'supergroup'] as const) {
    expect(heard('/admin add telegram:6 admin', {}, type)).toBeDefined();
    expect(heard('/admin add telegram:6 admin', more, type)).toBeUndefined();
  }
});

test('bots are not answered; who writes as the group is nobody in particular', () => {
  const bot = { from: { id: 7, is_bot: true, first_name: 'Other' } };
  expect(heard('/update', bot)).toBeUndefined();
  const message = {
    message_id: 9,
    from: { id: 1_087_968_824, is_bot: true, first_name: 'Group' },
    sender_chat: { id: -1_001_234_567_890, title: 'The group' },
    chat: { id: -1_001_234_567_890, type: 'supergroup' },
    text: '/update',
    entities: detect('/update'),
    message_thread_id: 4,
  };
  const event = readEvent(Update.parse({ update_id: 3, message }), ME, reader);
  // The number of a thread of an ordinary group can't be written to.
  expect(JSON.stringify(event)).not.toContain('thread');
  expect(event).toMatchObject({
    kind: 'request',
    request: { person: 'chat-1001234567890', personName: 'The group', direct: false },
  });
});

/** A chat's ids: `o` the bot's own, `p` people's, anything else nobody's. The first has the number 1. */
function chat(ids: string) {
  const asked: number[] = [];
  const kinds: Readonly<Record<string, Probe>> = { o: 'own', p: 'other' };
  const probe = async (id: number): Promise<Probe> => {
    asked.push(id);
    return kinds[ids[id - 1] ?? ''] ?? 'none';
  };
  return { asked, probe };
}

test.each([
  ['right after the last known', 'ppo', 2, 0, 3],
  ['among deleted ones', `pp${'.'.repeat(12)}o`, 2, 0, 15],
  ['after much talk', `p${'p'.repeat(5_000)}opp`, 1, 0, 5_002],
  ['before much talk that was seen', `p${'p'.repeat(100)}o${'p'.repeat(150)}`, 1, 252, 102],
  ['with holes in the talk', `p${'pp..p...'.repeat(50)}opp`, 1, 0, 402],
  ['nowhere', `p${'p'.repeat(40)}`, 1, 0, undefined],
  ['nowhere, in a silent chat', 'p', 1, 0, undefined],
  ['not one that was known before', 'oop', 3, 0, undefined],
])('a lost message in a supergroup: %s', async (_, ids, after, seen, expected) => {
  const { probe, asked } = chat(ids);
  expect(await findLostMessage({ after, seen, dense: true, probe })).toBe(expected);
  expect(Math.min(...asked)).toBeGreaterThan(after);
  expect(asked.length).toBeLessThan(500);
});

test.each([
  ['among ids of other chats', `p${'.'.repeat(50)}o`, 1, 0, 52],
  ['among many, by what was seen since', `p${'.'.repeat(200)}o..`, 1, 210, 202],
  ['nowhere', 'p', 1, 0, undefined],
])('a lost message where chats share ids: %s', async (_, ids, after, seen, expected) => {
  const { probe, asked } = chat(ids);
  expect(await findLostMessage({ after, seen, dense: false, probe })).toBe(expected);
  expect(asked.length).toBeLessThanOrEqual(400);
});

test('a message has its time, in milliseconds; a press has none, and a broken one costs nothing', () => {
  const from = { id: 1, is_bot: false, first_name: 'Anna' };
  const chat = { id: 1, type: 'private' };
  const timeOf = (update: object) => {
    const event = readEvent(Update.parse({ update_id: 3, ...update }), ME, reader);
    return 'request' in event ? event.request.at : 'no request';
  };
  const message = { message_id: 9, from, chat, text: '/update' };
  expect(timeOf({ message: { ...message, date: 1_780_000_000 } })).toBe(1_780_000_000_000);
  expect(timeOf({ message: { ...message, date: 'soon' } })).toBeUndefined();
  // The date is that of the message with the button, which may be months old.
  const press = { id: 'q', from, data: 'x', message: { message_id: 8, chat, date: 1_600_000_000 } };
  expect(timeOf({ callback_query: press })).toBeUndefined();
});
