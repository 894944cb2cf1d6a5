import { expect, test } from 'vitest';
import { bareCard, CARD_BYTES, renderCard } from '../../../adapters/feishu/card.ts';
import { codeBlock, escapeMarkdown, plainText } from '../../../adapters/feishu/escape.ts';
import type { Reply } from '../../../src/chat/contract.ts';
import { type Card, mentionsOf, readCard, textOf } from '../../support/feishu/card.ts';

/** Cards, read by the local platform's own rules (`test/support/feishu/card.ts`). */

const carry = ({ command }: { readonly command: string }) => ({ command });

function taken(json: string): Card {
  const read = readCard(json);
  if ('refused' in read) throw new Error(read.refused);
  expect(Buffer.byteLength(JSON.stringify(json))).toBeLessThanOrEqual(CARD_BYTES);
  return read.card;
}
const card = (reply: Partial<Reply>): Card => taken(renderCard({ tone: 'info', title: 'title', ...reply }, carry));

test.each([
  ['info', 'blue'],
  ['busy', 'wathet'],
  ['good', 'green'],
  ['warn', 'orange'],
  ['bad', 'red'],
] as const)('the tone %s is the colour %s', (tone, template) => {
  expect(card({ tone }).header.template).toBe(template);
});

test('everything of a reply is shown, and the notification has the title', () => {
  const full = card({
    text: ['one', 'two\nlines'],
    fields: [{ name: 'version', value: '1.0.0-rc.1 → 2' }],
    table: { columns: ['app', 'version'], rows: [['web', '1'], ['bot']] },
    progress: { label: 'fetching', step: 2, steps: 7, done: 3, total: 8, detail: '3.0 MB of 8.0 MB · 4 s left' },
    code: '\x1b[31mred\x1b[0m\n',
    buttons: [
      { label: 'Update', command: '/update now', style: 'primary' },
      { label: 'Stop', command: '/update cancel', style: 'danger' },
    ],
    hints: ['/help', '/update'],
  });
  expect(textOf(full).split('\n')).toEqual([
    'title',
    'one',
    'two',
    'lines',
    'fetching (2/7)',
    '████████░░░░░░░░░░░░ 37%',
    '3.0 MB of 8.0 MB · 4 s left',
    'version: 1.0.0-rc.1 → 2',
    'app | version',
    'web | 1',
    'bot | ',
    'red',
    '[Update]',
    '[Stop]',
    '/help · /update',
  ]);
  expect(full.config.summary?.content).toBe('title');
  const types = JSON.stringify(full).match(/"type":"(primary|danger|default)"/g);
  expect(types).toEqual(['"type":"primary"', '"type":"danger"']);
});

test.each([
  ['nothing', 0, 0, '0 of it is no bar'],
  ['more than all', 9, 3, '100%'],
  ['less than nothing', -1, 3, ' 0%'],
])('progress of %s', (_, done, total, shown) => {
  const text = textOf(card({ progress: { label: 'x', step: 1, steps: 2, done, total } }));
  if (total === 0) expect(text).not.toContain('%');
  else expect(text).toContain(shown);
});

test.each([
  ['an empty title', { title: '' }],
  [
    'empty parts',
    { text: ['', ' '], fields: [], table: { columns: [], rows: [] }, code: ' \n', buttons: [], hints: [''] },
  ],
  [
    'empty labels',
    {
      buttons: [{ label: '', command: '/x' }],
      fields: [{ name: '', value: '' }],
      table: { columns: [''], rows: [['']] },
    },
  ],
  ['a table without rows', { table: { columns: ['a'], rows: [] } }],
  ['half characters', { title: '\ud83d', text: ['a\udc00b'], code: '\ud83d\ude00'.repeat(20_000) }],
  ['control characters', { title: 'a\u0000b\nc', text: ['\u202eabc\u2066'], code: 'x\u0007\u009b31m' }],
])('%s: a card that is taken', (_, reply) => {
  const json = JSON.stringify(card(reply));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be left
  expect(JSON.parse(json).header.title.content).not.toMatch(/[\u0000-\u001f]/);
  expect(json).not.toMatch(/\\u202e|\u202e|\\ud83d(?!\\ude00)/);
});

test('what could call somebody, or be Markdown, is neither, wherever it stands', () => {
  const nasty =
    '<at id=all></at><at user_id="ou_1">x</at> **b** `c` [l](https://x) ~~s~~ \\*\n# h\n```\n<at id=all></at>';
  const made = card({
    title: nasty,
    text: [nasty],
    fields: [{ name: nasty, value: nasty }],
    table: { columns: [nasty], rows: [[nasty]] },
    progress: { label: nasty, step: 1, steps: 1, detail: nasty },
    code: nasty,
    buttons: [{ label: nasty, command: nasty }],
    hints: [nasty],
  });
  expect(mentionsOf(made)).toEqual([]);
  expect(escapeMarkdown(nasty)).not.toMatch(/[<>*`[\]()~\\]/);
  // The block is closed by its own end alone.
  expect(codeBlock(nasty).match(/```/g)).toHaveLength(2);
});

test('a line that says something else with invisible marks, or clears the screen, is plain', () => {
  expect(plainText('a\r\nb\rc')).toBe('a\nb\nc');
  expect(plainText('\x1b]0;title\x07x\x1b[2Jy\x1b[1;31mz')).toBe('xyz');
  expect(plainText('1.\u202e3.2\u202c \u20664\u2069 \u200ea\u200f \u061cb')).toBe('1.3.2 4 a b');
});

test.each([
  ['a log', { code: `first\n${'x\n'.repeat(50_000)}last` }],
  ['a log of characters that JSON makes six of', { code: `first${'"\\\n'.repeat(30_000)}last` }],
  ['a log in Chinese', { code: `first${'更新'.repeat(30_000)}last` }],
])('%s that is too long keeps its end', (_, reply) => {
  const text = textOf(card({ ...reply, buttons: [{ label: 'Go', command: '/x' }] }));
  expect(text).toContain('last\n[Go]');
  expect(text).not.toContain('first');
});

test('a table that is too long says how many rows are missing, and keeps the first', () => {
  const rows = Array.from({ length: 1_000 }, (_, i) => [`app ${i}`, '更新'.repeat(20)]);
  const text = textOf(card({ table: { columns: ['app', 'what'], rows }, text: ['said first'] }));
  expect(text).toContain('said first');
  expect(text).toContain('app 0 |');
  const shown = text.match(/app \d+ \|/g)?.length ?? 0;
  expect(text).toContain(`… +${1_000 - shown}`);
  expect(shown).toBeGreaterThanOrEqual(6);
});

test('a reply that fits is not cut', () => {
  const code = 'y'.repeat(8_900);
  expect(textOf(card({ code }))).toContain(code);
});

test('with little in it: title, first lines, buttons; also where even the buttons are too large', () => {
  const buttons = Array.from({ length: 60 }, (_, i) => ({ label: `b${i}`, command: '"'.repeat(290) }));
  const reply: Reply = { tone: 'bad', title: 'x'.repeat(900), text: ['"'.repeat(9_000)], code: 'z', buttons };
  const bare = taken(bareCard(reply, carry));
  expect(textOf(bare)).toContain('[b0]');
  expect(textOf(bare)).not.toContain('z');
  const huge = { ...reply, buttons: [{ label: 'a', command: 'q'.repeat(40_000) }] };
  expect(textOf(taken(renderCard(huge, carry)))).not.toContain('[a]');
});
