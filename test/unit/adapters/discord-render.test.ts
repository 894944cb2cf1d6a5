import { expect, test } from 'vitest';
import { commandOfButton, nameButtons } from '../../../adapters/discord/buttons.ts';
import { cut, escapeMarkdown, lastLines, widthOf } from '../../../adapters/discord/markdown.ts';
import { renderMessage, renderPlain } from '../../../adapters/discord/render.ts';
import type { Reply, Tone } from '../../../src/chat/contract.ts';
import { refuseMessage } from '../../support/discord/validate.ts';

const card = (more: Partial<Reply>): Reply => ({ tone: 'info', title: 'title', ...more });
const render = (more: Partial<Reply>) => renderMessage(card(more), []);

test('a whole card', () => {
  const reply: Reply = {
    tone: 'busy',
    title: 'web 1.2.0 → 1.3.0',
    text: ['Asked for by *Anna*.'],
    progress: { label: 'fetching', step: 2, steps: 7, done: 3, total: 8, detail: '3.1 MB of 8.0 MB · 4 s left' },
    fields: [
      { name: 'version', value: '1.3.0' },
      { name: 'notes', value: 'a long line of notes that does not fit beside another' },
    ],
    table: {
      columns: ['app', '版本', 'empty'],
      rows: [
        ['web', '1.2', ''],
        ['更新', '1', ''],
      ],
    },
    code: 'line 1\nline ``` 2\x1b[31m!\x1b[0m\n',
    hints: ['/update cancel'],
  };
  expect(renderMessage(reply, [{ label: 'Cancel', command: '/x', style: 'danger', customId: 'c0:/x' }])).toEqual({
    content: '⏳ **web 1.2.0 → 1.3.0**',
    embeds: [
      {
        color: 0x5865f2,
        description: [
          'Asked for by \\*Anna\\*.',
          '**2/7** fetching',
          '▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱ 37%',
          '3.1 MB of 8.0 MB · 4 s left',
          '```',
          'app   版本',
          'web   1.2',
          '更新  1',
          '```',
          '```',
          'line 1',
          'line `\u200b`\u200b` 2!',
          '```',
        ].join('\n'),
        fields: [
          { name: 'version', value: '1.3.0', inline: true },
          { name: 'notes', value: 'a long line of notes that does not fit beside another', inline: false },
        ],
        footer: { text: '/update cancel' },
      },
    ],
    components: [{ type: 1, components: [{ type: 2, style: 4, label: 'Cancel', custom_id: 'c0:/x' }] }],
    allowed_mentions: { parse: [], replied_user: false },
  });
});

test('each tone has a mark and a colour; a card that is only a title has no embed, and empties an older one', () => {
  const tones: Tone[] = ['info', 'busy', 'good', 'warn', 'bad'];
  const marks = tones.map((tone) => renderMessage({ tone, title: 'x' }, []).content);
  expect(new Set(marks).size).toBe(5);
  expect(render({})).toMatchObject({ embeds: [], components: [] });
  expect(new Set(tones.map((tone) => render({ tone, text: ['x'] }).embeds[0]?.color)).size).toBeGreaterThan(3);
});

test('a word that fills more than a third has a line of its own', () => {
  const fields = [
    { name: 'asks', value: 'Anna (discord:80351110224678912)' },
    { name: 'version', value: '1.4.1 → 1.4.2' },
  ];
  expect(render({ fields }).embeds[0]?.fields?.map(({ inline }) => inline)).toEqual([false, true]);
});

test('a table that is too wide for a phone is a line a row, and one that is too long says how much is missing', () => {
  const wide = render({ table: { columns: ['a', 'b'], rows: [['x'.repeat(40), '*y*'.repeat(10)]] } });
  expect(wide.embeds[0]?.description).toBe(`• **${'x'.repeat(40)}** · ${'\\*y\\*'.repeat(10)}`);
  const many = render({ table: { columns: ['a', 'b', 'c'], rows: [['x', 'y', 'z'.repeat(60)]] } });
  expect(many.embeds[0]?.description).toBe(`a · b · c\n• **x** · y · ${'z'.repeat(60)}`);
  const rows = Array.from({ length: 500 }, (_, i) => [`app-${i}`, 'ok']);
  expect(render({ table: { columns: ['a', 'b'], rows } }).embeds[0]?.description).toMatch(/… \+\d+\n```$/);
});

test('of a log its end is kept', () => {
  const code = Array.from({ length: 2_000 }, (_, i) => `line ${i}`).join('\n');
  const { description = '' } = render({ code }).embeds[0] ?? {};
  expect(description).toContain('line 1999');
  expect(description).toContain('…\n');
  expect(description).not.toContain('line 0\n');
});

test.each([
  ['@everyone @here', '\\@everyone \\@here'],
  ['<@123> <#1> <:x:1>', '\\<\\@123\\> \\<\\#1\\> \\<:x:1\\>'],
  ['*a* _b_ ~~c~~ `d` ||e||', '\\*a\\* \\_b\\_ \\~\\~c\\~\\~ \\`d\\` \\|\\|e\\|\\|'],
  ['[a](https://x.org/a_b*)', '\\[a\\](https://x.org/a_b\\*)'],
  ['# head', '\\# head'],
  ['a\\*b', 'a\\\\\\*b'],
  ['- item\n1. item', '\u200b- item\n\u200b1. item'],
  ['a\x1b[31mred\x1b[0m\0b\r\nc', 'aredb\nc'],
  // What turns text around could show one version, or one person, as another.
  ['1.\u202e3.2\u202c \u20664\u2069 \u200ea\u200f \u061cb \x9b31m', '1.3.2 4 a b 31m'],
  ['half \ud83d', 'half \ufffd'],
])('%j is shown as it stands', (text, escaped) => {
  expect(escapeMarkdown(text)).toBe(escaped);
});

test('cutting keeps whole characters and leaves no open escape', () => {
  expect(cut('abcdef', 4)).toBe('abc…');
  expect(cut('ab😀😀', 4)).toBe('ab…');
  expect(cut('abc\\*d', 5)).toBe('abc…');
  expect(lastLines('a\nbb\ncc', 5)).toBe('…\ncc');
  expect(widthOf('更新a')).toBe(5);
});

/** The same numbers in each run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

test.each([1, 2, 3, 4])('cards of every size and content are within the limits (%i)', async (seed) => {
  const random = randomOf(seed);
  const alphabet = [
    'x',
    '\\',
    '`',
    '*',
    '@everyone',
    '更',
    '😀',
    '\n',
    ' ',
    '<@1>',
    '_',
    '```',
    '\x1b[0m',
    'https://a.b/_c ',
  ];
  const words = (most: number) =>
    Array.from(
      { length: Math.floor(random() ** 3 * most) },
      () => alphabet[Math.floor(random() * alphabet.length)],
    ).join('');
  const some = <T>(most: number, make: () => T) => Array.from({ length: Math.floor(random() * most) }, make);
  for (let i = 0; i < 40; i += 1) {
    const columns = some(6, () => words(30));
    const reply: Reply = {
      tone: 'warn',
      title: words(600),
      text: some(6, () => words(3_000)),
      fields: some(40, () => ({ name: words(400), value: words(2_000) })),
      table: { columns, rows: some(80, () => columns.map(() => words(90))) },
      progress: { label: words(500), step: 1, steps: 2, done: random() * 9, total: random() * 9, detail: words(500) },
      code: words(9_000),
      hints: some(20, () => words(300)),
    };
    const buttons = some(40, () => ({ label: words(200), command: `/update ${words(200)}` }));
    const named = await nameButtons(buttons, async () => 'x'.repeat(22));
    for (const message of [renderMessage(reply, named), renderPlain(reply, named)]) {
      expect(refuseMessage(message, true)).toBeUndefined();
      expect(message.components.flatMap(({ components }) => components).length).toBe(Math.min(25, buttons.length));
      const all = `${message.content}${message.embeds[0]?.description ?? ''}`;
      expect(all.split('```').length % 2).toBe(1);
    }
  }
});

test('without an embed the same words are there', () => {
  const reply = card({ text: ['words'], fields: [{ name: 'a', value: 'b' }], hints: ['/help'], code: 'log' });
  expect(renderPlain(reply, []).content).toBe('ℹ️ **title**\nwords\n```\nlog\n```\n**a**: b\n-# /help');
});

test('a button carries its command, or a short name where that is too long', async () => {
  const kept = new Map<string, string>();
  const shorten = async (command: string) => {
    kept.set('short', command);
    return 'short';
  };
  const long = `/update now ${'x'.repeat(100)}`;
  const named = await nameButtons(
    [
      { label: 'a', command: '/a' },
      { label: 'b', command: long },
    ],
    shorten,
  );
  expect(named.map(({ customId }) => customId)).toEqual(['c0:/a', 's1:short']);
  const expand = async (name: string) => kept.get(name);
  expect(await commandOfButton('c0:/a', expand)).toBe('/a');
  expect(await commandOfButton('s1:short', expand)).toBe(long);
  for (const odd of ['', 'c', 's1:other', 'z0:/a', '/a']) expect(await commandOfButton(odd, expand)).toBeUndefined();
});
