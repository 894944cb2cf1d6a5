import { describe, expect, test } from 'vitest';
import { buttonValue, MessageEvent, menuText, PressEvent, textFor } from '../../../adapters/feishu/events.ts';
import { failureOf, refusal } from '../../../adapters/feishu/failure.ts';
import { createLanes } from '../../../adapters/feishu/lanes.ts';
import { createPace } from '../../../adapters/feishu/pace.ts';
import { createQuietLogger, domainOf } from '../../../adapters/feishu/settings.ts';

const BOT = 'ou_bot';

function message(text: string, mentions: readonly (readonly [string, string, string])[], type = 'group'): MessageEvent {
  return {
    sender: { sender_id: { open_id: 'ou_anna' }, sender_type: 'user' },
    message: {
      message_id: 'om_1',
      chat_id: 'oc_1',
      chat_type: type,
      message_type: 'text',
      content: JSON.stringify({ text }),
      mentions: mentions.map(([key, open_id, name]) => ({ key, id: { open_id }, name })),
    },
  };
}

describe('what a message says', () => {
  const ten = Array.from({ length: 10 }, (_, i) => [`@_user_${i + 1}`, i === 0 ? BOT : `ou_${i}`, `P${i}`] as const);
  test.each([
    ['@_user_1 /update now', [['@_user_1', BOT, 'Fettle']], '/update now'],
    ['/update now @_user_1', [['@_user_1', BOT, 'Fettle']], '/update now'],
    ['@_user_1', [['@_user_1', BOT, 'Fettle']], ''],
    ['@_user_1 ask @_user_10', ten, 'ask feishu:ou_9'],
    // Names are chosen by those who bear them, and give no words to a command.
    [
      '@_user_1 /admin role @_user_2 viewer',
      [
        ['@_user_1', BOT, 'Fettle'],
        ['@_user_2', 'ou_eve', 'telegram:6 admin'],
      ],
      '/admin role feishu:ou_eve viewer',
    ],
    [
      '@_user_1 /admin role @_user_2 viewer',
      [
        ['@_user_1', BOT, 'Fettle'],
        ['@_user_2', '', 'Eve" admin @_user_1\n$&'],
      ],
      '/admin role @Eve_admin_user_1_ viewer',
    ],
    ['@_user_1\u00a0/update   fix: a\nb', [['@_user_1', BOT, 'F']], '/update fix: a\nb'],
    ['/update', [], undefined],
    ['@_user_1 /update', [['@_user_1', 'ou_other', 'Ben']], undefined],
    ['@_all /update', [], undefined],
  ] as const)('%j', (text, mentions, said) => {
    expect(textFor(BOT, message(text, mentions))).toBe(said);
  });

  test('in a direct chat no mention is needed', () => {
    expect(textFor(BOT, message('/update', [], 'p2p'))).toBe('/update');
  });

  test.each(['{', '[]', '{"text": 1}', '"text"', ''])('content that is not understood: %j', (content) => {
    const event = message('', [], 'p2p');
    expect(textFor(BOT, { ...event, message: { ...event.message, content } })).toBeUndefined();
  });
});

test.each([
  ['update', '/update'],
  ['update_now', '/update now'],
  ['/update now web', '/update now web'],
  [' update_check ', '/update check'],
  ['检查更新', '检查更新'],
  ['something_else', 'something_else'],
])('the menu key %j is %j', (key, text) => {
  const help = { en: '', zh: '' };
  const commands = [{ name: 'update now', role: 'viewer' as const, help, arguments: [] }];
  expect(menuText(key, commands)).toBe(text);
});

test.each([
  [{ command: '' }],
  [{ command: 'x'.repeat(5_000) }],
  [{ name: '../x' }],
  [{}],
  ['x'],
  [null],
  [undefined],
  [[]],
])('a button that is not ours: %j', (value) => expect(buttonValue(value)).toBeUndefined());

describe('failures', () => {
  test.each([
    [400, { code: 10014 }, 'credentials'],
    [200, { code: 99991663 }, 'token'],
    [500, { code: 99991400 }, 'rate'],
    [429, {}, 'rate'],
    [502, {}, 'trouble'],
    [407, {}, 'unreached'],
    [404, {}, 'strange'],
    [400, { code: 4242 }, 'strange'],
    [503, { code: 4242 }, 'trouble'],
  ] as const)('HTTP %i with %j is %s', (status, body, kind) => {
    expect(refusal(status, body).kind).toBe(kind);
  });

  test('waiting times are seconds, within reason; words are short, and nothing of the request is in them', () => {
    expect(refusal(429, {}, { 'x-ogw-ratelimit-reset': '7' }).afterMs).toBe(7_000);
    expect(refusal(429, {}, { 'retry-after': 'soon' }).afterMs).toBeUndefined();
    expect(refusal(429, {}, { 'retry-after': '999999' }).afterMs).toBe(600_000);
    expect(refusal(400, { code: 1, msg: 'x '.repeat(9_000) }).message.length).toBeLessThan(400);
    const axios = {
      message: 'secret',
      code: 'ERR_BAD_REQUEST',
      config: { data: 'app_secret' },
      response: { status: 400, data: 'secret' },
    };
    expect(failureOf(axios).message).toBe('HTTP 400');
    expect(failureOf(new Error('secret')).message).toBe('no answer');
    for (const odd of [undefined, null, 'x', 1]) expect(failureOf(odd).kind).toBe('trouble');
  });
});

test('six at once to a chat: the sixth waits; another chat does not', () => {
  const pace = createPace();
  const waits = Array.from({ length: 11 }, () => pace.take('a', 1_000));
  expect(waits).toEqual([0, 0, 0, 0, 0, 1_200, 1_200, 1_200, 1_200, 1_200, 2_400]);
  expect(pace.take('b', 1_000)).toBe(0);
  expect(pace.take('a', 9_000)).toBe(0);
});

test('lanes keep their order, run side by side, and go on after a failure', async () => {
  const lanes = createLanes();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const slow = lanes.run('a', () => first.promise.then(() => void done.push('a1')));
  const failing = lanes.run('a', async () => Promise.reject(new Error('no')));
  const next = lanes.run('a', async () => void done.push('a2'));
  await lanes.run('b', async () => void done.push('b'));
  first.resolve();
  await expect(failing).rejects.toThrow('no');
  await Promise.all([slow, next, lanes.idle()]);
  expect(done).toEqual(['b', 'a1', 'a2']);
});

test('addresses by their short names', () => {
  expect(['feishu', undefined, 'lark', 'http://x/'].map(domainOf)).toEqual([
    'https://open.feishu.cn',
    'https://open.feishu.cn',
    'https://open.larksuite.com',
    'http://x',
  ]);
});

test('what the SDK logs is words, without its objects and without the secret', () => {
  const lines: unknown[] = [];
  const logger = createQuietLogger((_, data) => void lines.push(data.said), 's3cret');
  logger.error(['[ws]', 'refused s3cret', { config: { data: 's3cret' } }, [new Error('bad s3cret')]]);
  logger.error([{ a: 1 }]);
  logger.info('ready');
  expect(lines).toEqual(['[ws] refused [hidden] bad [hidden]']);
});

test.each([
  ['1780000000123', 1_780_000_000_123],
  ['1780000000123456', 1_780_000_000_123],
  [1_780_000_000_123, 1_780_000_000_123],
  ['soon', undefined],
  ['0', undefined],
  [undefined, undefined],
])('a time of %s is %s milliseconds, and one that is none costs nothing', (create_time, at) => {
  const event = message('/update', []);
  expect(MessageEvent.parse({ ...event, message: { ...event.message, create_time } }).message.create_time).toBe(at);
  const press = { event_id: 'e', operator: { open_id: 'ou_anna' }, action: {}, context: { open_chat_id: 'oc_1' } };
  expect(PressEvent.parse({ ...press, create_time }).create_time).toBe(at);
});
