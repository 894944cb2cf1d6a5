import { describe, expect, test } from 'vitest';
import { createCards } from '../../../adapters/terminal/cards.ts';
import { layout, liveLines, MARKS, NO_PAINT } from '../../../adapters/terminal/layout.ts';
import { createLineReader } from '../../../adapters/terminal/lines.ts';
import { createPlainOutput } from '../../../adapters/terminal/plain.ts';
import type { Shown } from '../../../adapters/terminal/protocol.ts';
import { clean, truncate, widthOf, wrap } from '../../../adapters/terminal/width.ts';
import type { Reply } from '../../../src/chat/contract.ts';

const CARD: Reply = {
  tone: 'bad',
  title: 'hello 1.2.0 failed and was rolled back',
  text: [
    'hello 1.2.0 failed its health check: it answered HTTP 500, three times in a row, for ten seconds.',
    '数据已恢复到更新之前的样子，没有任何内容丢失，也没有任何改动。',
  ],
  fields: [{ name: 'took', value: '14 s' }],
  table: {
    columns: ['id', 'what', ''],
    rows: [['u-7k2m', '2.0.2 → 3.0.1 and a long explanation of what came of it', '']],
  },
  code: `a log line\n${'x'.repeat(150)}`,
  buttons: [{ label: 'Show the log', command: '/update logs u-7k2m' }],
  hints: ['Mend the release.'],
};

test.each([30, 46, 80, 100])('no line of a card is wider than %i columns', (width) => {
  for (const line of layout(CARD, { paint: NO_PAINT, width, marks: MARKS })) {
    expect(widthOf(line)).toBeLessThanOrEqual(width);
  }
});

test('a card in plain text', () => {
  expect(layout(CARD, { paint: NO_PAINT, width: Number.POSITIVE_INFINITY, marks: undefined })).toMatchInlineSnapshot(`
    [
      "hello 1.2.0 failed and was rolled back",
      "  hello 1.2.0 failed its health check: it answered HTTP 500, three times in a row, for ten seconds.",
      "  数据已恢复到更新之前的样子，没有任何内容丢失，也没有任何改动。",
      "  took: 14 s",
      "  id      what",
      "  u-7k2m  2.0.2 → 3.0.1 and a long explanation of what came of it",
      "  | a log line",
      "  | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      "  Show the log: /update logs u-7k2m",
      "  Mend the release.",
    ]
  `);
});

test.each([20, 40, 80])('live lines fit into %i columns', (width) => {
  const reply: Reply = {
    tone: 'busy',
    title: 'a-rather-long-name-of-an-app 12.10.22-beta.1 → 13.0.0',
    progress: {
      label: 'fetching the new version',
      step: 2,
      steps: 7,
      done: 3,
      total: 8,
      detail: '3.1 MB of 8.0 MB · 1.2 MB/s · 4 s left',
    },
  };
  for (const line of liveLines(reply, { paint: NO_PAINT, width, marks: MARKS }, '⠋')) {
    expect(widthOf(line)).toBeLessThanOrEqual(width);
  }
});

describe('width', () => {
  test('of what is wide, joined, or invisible', () => {
    expect(['abc', '更新', 'é', 'e\u0301', '👩‍👩‍👧', '✔', '→', '…', ''].map(widthOf)).toEqual([
      3, 4, 1, 1, 2, 1, 1, 1, 0,
    ]);
  });
  test('cutting', () => {
    expect(truncate('更新完成', 5)).toBe('更新…');
    expect(truncate('short', 5)).toBe('short');
  });
  test('wrapping keeps every word', () => {
    const text =
      'the quick brown fox jumps over the lazy dog, 然后它又跳了回来。 https://example.com/a/very/long/address/without/spaces';
    for (const width of [10, 17, 33]) {
      const lines = wrap(text, width);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
    }
  });
});

test('nothing drives the terminal', () => {
  expect(clean('a\x1b[2Jb\x1b]0;title\x07c\x07\r\nd\u202ee\x9b31mf')).toBe('abc\nde31mf');
  const lines = layout(
    { tone: 'info', title: 'x\x1b[2J\ny', code: '\x1b[31mred\x1b[0m' },
    { paint: NO_PAINT, width: 80, marks: MARKS },
  );
  expect(lines.join('\n')).toBe('• x y\nred');
});

test('lines are cut across chunks and bounded', () => {
  const reader = createLineReader(20);
  const bytes = Buffer.from('{"a":"更"}\n{"b"');
  expect(reader.feed(bytes.subarray(0, 7))).toEqual([]);
  expect(reader.feed(bytes.subarray(7))).toEqual(['{"a":"更"}']);
  expect(() => reader.feed(Buffer.alloc(30, 97))).toThrow(/longer/);
});

function shown(key: string, values: Partial<Shown> & { progress?: Reply['progress'] } = {}): Shown {
  const { progress, ...rest } = values;
  const reply = { tone: 'busy' as const, title: key, ...(progress ? { progress } : {}) };
  return { type: 'message', key, ref: key, reply, answers: 'e1', final: false, failed: false, ...rest };
}

describe('what stays on the screen', () => {
  const progress = { label: 'fetching', step: 2, steps: 7 };
  test('a live card goes when the answer has come, and does not come back', () => {
    const cards = createCards();
    expect(cards.take(shown('card', { progress }))).toBe('live');
    expect(cards.live()).toHaveLength(1);
    expect(cards.take(shown('final', { final: true }))).toBe('print');
    expect(cards.live()).toHaveLength(0);
    expect(cards.take(shown('card', { type: 'edit', progress }))).toBe('nothing');
    expect(cards.live()).toHaveLength(0);
  });
  test('a card that ends without an answer of its own goes too', () => {
    const cards = createCards();
    cards.take(shown('card', { progress, answers: undefined }));
    const ended = shown('card', { type: 'edit', answers: undefined });
    expect(cards.take({ ...ended, reply: { tone: 'good', title: 'card', progress } })).toBe('nothing');
    expect(cards.live()).toHaveLength(0);
  });
});

test('plain output tells each state once, and its numbers seldom', () => {
  let time = 0;
  const lines: string[] = [];
  const plain = createPlainOutput(
    (text) => void lines.push(text),
    () => time,
  );
  const at = (step: number, detail: string) =>
    plain.message(shown('web', { progress: { label: 'fetching', step, steps: 7, detail } }));
  for (let i = 0; i < 100; i += 1) {
    at(2, `${i} MB`);
    time += 100;
  }
  at(3, '');
  expect(lines).toEqual([
    'web: [2/7] fetching, 0 MB\n',
    'web: [2/7] fetching, 30 MB\n',
    'web: [2/7] fetching, 60 MB\n',
    'web: [2/7] fetching, 90 MB\n',
    'web: [3/7] fetching\n',
  ]);
});
