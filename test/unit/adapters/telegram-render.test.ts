import { expect, test } from 'vitest';
import { keyboardOf } from '../../../adapters/telegram/buttons.ts';
import { renderHtml, renderPlain } from '../../../adapters/telegram/render.ts';
import { codeEnd, headOf } from '../../../adapters/telegram/text.ts';
import type { Button, Reply } from '../../../src/chat/contract.ts';
import { numbers } from '../../support/numbers.ts';
import { parseHtml } from '../../support/telegram/markup.ts';

/** Cards as Telegram shows them; read back by a parser as strict as Telegram's. */

const card = (more: Partial<Reply>): Reply => ({ tone: 'info', title: 'web', ...more });
const shown = (reply: Reply) => parseHtml(renderHtml(reply));

test('a card under way', () => {
  const reply = card({
    tone: 'busy',
    title: 'web 2.0.2 → 3.0.1',
    progress: { label: 'fetching', step: 2, steps: 7, done: 31, total: 80, detail: '3.1 MB of 8.0 MB · 4 s left' },
  });
  expect(shown(reply).text).toBe('⏳ web 2.0.2 → 3.0.1\nfetching · 2/7\n▰▰▰▰▰▱▱▱▱▱▱▱ 39%\n3.1 MB of 8.0 MB · 4 s left');
});

test('a card with everything: the title strong, names strong, code as code, hints small', () => {
  const reply = card({
    tone: 'bad',
    text: ['one', 'two'],
    fields: [{ name: 'version', value: '1 → 2' }],
    table: {
      columns: ['app', 'is'],
      rows: [
        ['机器人', 'on'],
        ['web', ''],
      ],
    },
    code: '\u001b[31mred\u001b[0m\nend\n',
    hints: ['/help'],
  });
  const { text, entities } = shown(reply);
  expect(text).toBe('❌ web\none\ntwo\nversion: 1 → 2\napp     is\n机器人  on\nweb\nred\nend\n/help');
  expect(entities.map(({ type, offset, length }) => [type, text.slice(offset, offset + length)])).toEqual([
    ['bold', 'web'],
    ['bold', 'version'],
    ['pre', 'app     is\n机器人  on\nweb'],
    ['pre', 'red\nend'],
    ['italic', '/help'],
  ]);
});

test('a long log is folded, and its end is what is kept', () => {
  const code = Array.from({ length: 400 }, (_, i) => `line ${i} of the log`).join('\n');
  const { text, entities } = shown(card({ code }));
  expect(entities.map(({ type }) => type)).toContain('expandable_blockquote');
  expect(text.endsWith('line 399 of the log')).toBe(true);
  expect(text).not.toContain('line 0 of');
});

test('a table too wide for a phone has a row a line', () => {
  const table = { columns: ['device', 'state'], rows: [['robot-12 in the second hall', 'updating to 3.0.1']] };
  expect(shown(card({ table })).text).toBe('ℹ️ web\n• robot-12 in the second hall · updating to 3.0.1');
  const many = { columns: ['app', 'runs', 'newest'], rows: [['web', '1.0.0-beta.12', '1.0.0-beta.12345678']] };
  expect(shown(card({ table: many })).text).toBe(
    'ℹ️ web\napp · runs · newest\n• web · 1.0.0-beta.12 · 1.0.0-beta.12345678',
  );
});

test.each(['<b>x</b>', '</pre>', '&lt;', '&', '<', '<a href="x">', '&#60;', '<blockquote>\'"'])(
  '%s is shown as it is',
  (evil) => {
    const reply = card({
      title: evil,
      text: [evil],
      fields: [{ name: evil, value: evil }],
      table: { columns: [evil], rows: [[evil]] },
      progress: { label: evil, step: 1, steps: 2, detail: evil },
      code: evil,
      hints: [evil],
    });
    expect(shown(reply).text.split(evil)).toHaveLength(11);
    expect(renderPlain(reply)).toBe(shown(reply).text);
  },
);

test('nobody is called by name; addresses and versions stay as they are', () => {
  const { text } = shown(
    card({ title: '@anna_admin', text: ['(@everyone) a@mail.example web@1.2.0 @1'], code: '@anna_admin' }),
  );
  expect(text).not.toMatch(/@anna_admin|@everyone/);
  // Telegram links what follows an `@` that follows no letter, also another `@`.
  expect(shown(card({ text: ['@@anna_admin .@anna_admin @gif'] })).text).not.toMatch(/@(anna|gif)/);
  expect(text).toContain('a@mail.example web@1.2.0 @1');
});

test('characters that hide or turn words are taken out; broken halves are replaced', () => {
  const { text } = shown(card({ text: ['a\u0000b\u202ec\ud800d\te\r\nf\u001b]0;title\u0007g\u200e\u200f\u061c'] }));
  expect(text).toBe('ℹ️ web\nabc\ufffdd  e\nfg');
});

const SIZES = [0, 3, 40, 700, 2_000, 4_090, 4_096, 9_000];

test('whatever is in it: at most 4096, well-formed, with title, progress and the end of the log', () => {
  const below = numbers(7);
  const size = () => SIZES[below(SIZES.length)] ?? 0;
  const words = (sample: string) => sample.repeat(1 + Math.ceil(size() / sample.length)).slice(0, size());
  for (let i = 0; i < 400; i += 1) {
    const reply = card({
      title: `title ${words('<w> ')}`,
      text: [words('更新 & <b> '), words('🙂')],
      fields: Array.from({ length: size() % 130 }, (_, at) => ({ name: `n${at}`, value: words('v&<') })),
      table: {
        columns: ['a', 'b'],
        rows: Array.from({ length: size() % 300 }, (_, at) => [`r${at}`, words('<x').slice(0, 60)]),
      },
      progress: { label: words('label '), step: 1, steps: 2, done: 1, total: 2, detail: words('<d>') },
      code: `${words('log line\n')}\nlast words`,
      hints: [words('/help ')],
    });
    const { text, entities } = shown(reply);
    expect(text.length).toBeLessThanOrEqual(4_096);
    expect(text.isWellFormed()).toBe(true);
    expect(text.startsWith('ℹ️ title')).toBe(true);
    expect(text).toContain('▰▰▰▰▰▰▱▱▱▱▱▱ 50%');
    expect(text).toContain('last words');
    expect(entities.length).toBeLessThanOrEqual(100);
    expect(renderPlain(reply).length).toBeLessThanOrEqual(4_096);
  }
});

test('cutting splits no character', () => {
  for (let cap = 0; cap < 12; cap += 1) {
    for (const cut of [headOf('a🙂🙂🙂🙂🙂b', cap), codeEnd('a🙂🙂\n🙂🙂🙂b', cap)]) {
      expect(cut.isWellFormed()).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(cap);
    }
  }
});

test('buttons: data of at most 64 bytes, labels that are never empty, rows that a phone shows', async () => {
  const made: Button[] = [
    { label: 'Update', command: '/update now web', style: 'primary' },
    { label: 'Later', command: '/update later web', style: 'plain' },
    { label: 'Skip this version', command: '/update skip web 3.0.1', style: 'danger' },
    { label: '', command: `/update ${'更'.repeat(18)}` },
    { label: 'x'.repeat(200), command: `/update ${'更'.repeat(19)}` },
  ];
  const rows = await keyboardOf(made, async () => 'a'.repeat(22));
  expect(rows.map((row) => row.map(({ text, style }) => [text.slice(0, 20), style]))).toEqual([
    [
      ['Update', 'primary'],
      ['Later', undefined],
    ],
    [
      ['Skip this version', 'danger'],
      ['…', undefined],
    ],
    [['x'.repeat(20), undefined]],
  ]);
  const data = rows.flat().map(({ callback_data }) => callback_data);
  expect(data.map((one) => one.slice(0, 2))).toEqual(['c:', 'c:', 'c:', 'c:', 'n:']);
  expect(Math.max(...data.map((one) => Buffer.byteLength(one)))).toBe(64);
  const many = Array.from({ length: 150 }, (_, i) => ({ label: `${i}`, command: '/help' }));
  expect((await keyboardOf(many, async () => '')).flat()).toHaveLength(100);
});
