import { expect, test } from 'vitest';
import { renderMessage, renderPlain as renderPlainDiscord } from '../../../adapters/discord/render.ts';
import { renderCard } from '../../../adapters/feishu/card.ts';
import { renderHtml, renderPlain } from '../../../adapters/telegram/render.ts';
import { boundedReply } from '../../../src/chat/bounds.ts';
import type { Reply } from '../../../src/chat/contract.ts';

/** What an app, a source or a person may write, as large as they like: drawn in time that grows no faster than it does. */

function everywhere(words: string): Reply {
  return {
    tone: 'bad',
    title: words,
    text: [words],
    fields: [{ name: words, value: words }],
    table: { columns: [words, 'b'], rows: [[words, 'x']] },
    progress: { label: words, step: 1, steps: 2, detail: words },
    code: words,
    hints: [words],
    buttons: [{ label: words, command: '/update' }],
  };
}

const NASTY = [
  '\n',
  ' ',
  '\t',
  '\r',
  '`',
  '@',
  '\x1b]',
  '<at ',
  '*_',
  '\\',
  'https://a',
  '\u202e',
  '1. ',
  '- ',
  '\u{1f600}',
];

test.each(NASTY)('40 000 of %j are drawn in a moment', (unit) => {
  const reply = everywhere(`x${unit.repeat(Math.ceil(40_000 / unit.length))}x`);
  for (const draw of [
    () => renderHtml(reply),
    () => renderPlain(reply),
    () => renderCard(reply, ({ command }) => ({ command })),
    () => renderMessage(reply, []),
    () => renderPlainDiscord(reply, []),
  ]) {
    const from = performance.now();
    draw();
    // Less than a second; what grows with the square takes half a minute.
    expect(performance.now() - from).toBeLessThan(8_000);
  }
});

test('a reply of any size is kept small; one of a sensible size as it is', () => {
  const big = everywhere('secret 更新'.repeat(100_000));
  const many = { ...big, text: Array.from({ length: 5_000 }, () => 'x'.repeat(500)) };
  const table = { columns: ['a'], rows: Array.from({ length: 9_000 }, (_, i) => [`${i}${'x'.repeat(300)}`]) };
  for (const reply of [big, many, { ...big, table }]) {
    expect(JSON.stringify(boundedReply(reply)).length).toBeLessThan(500_000);
    expect(JSON.stringify(boundedReply(reply)).isWellFormed()).toBe(true);
  }
  expect(boundedReply({ tone: 'info', title: 't', code: `${'x'.repeat(200_000)}end` }).code).toMatch(/end$/);
  const small = everywhere('更新 web\n');
  expect(boundedReply(small)).toEqual(small);
  expect(boundedReply({ tone: 'info', title: 't' })).toEqual({ tone: 'info', title: 't' });
});
