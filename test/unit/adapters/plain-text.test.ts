import { expect, test } from 'vitest';
import { nameButtons } from '../../../adapters/discord/buttons.ts';
import { renderMessage, renderPlain } from '../../../adapters/discord/render.ts';
import { bareCard, renderCard } from '../../../adapters/feishu/card.ts';
import { keyboardOf } from '../../../adapters/telegram/buttons.ts';
import { renderHtml, renderPlain as renderTelegramPlain } from '../../../adapters/telegram/render.ts';
import type { Reply } from '../../../src/chat/contract.ts';

/** Of a log, of notes, of a name that somebody chose: what would drive a terminal, or show a version as another. */
const NASTY = [
  '\u202e',
  '\u2066',
  '\u001b[31m',
  '\u001b]0;title\u0007',
  '\u009b31m',
  '\u0085',
  '\u0000',
  '\u007f',
  '\ud800',
];

const all = NASTY.map((mark, i) => `w${i}${mark}1.2.3`).join(' ');
const reply: Reply = {
  tone: 'bad',
  title: all,
  text: [all],
  fields: [{ name: all, value: all }],
  table: { columns: [all], rows: [[all]] },
  progress: { label: all, step: 1, steps: 2, detail: all },
  code: all,
  buttons: [{ label: all, command: '/update' }],
  hints: [all],
};

const shorten = async () => 'x'.repeat(22);

test.each([
  [
    'Feishu',
    async () => [renderCard(reply, ({ command }) => ({ command })), bareCard(reply, ({ command }) => ({ command }))],
  ],
  [
    'Discord',
    async () => {
      const buttons = await nameButtons(reply.buttons ?? [], shorten);
      return [renderMessage(reply, buttons), renderPlain(reply, buttons)];
    },
  ],
  [
    'Telegram',
    async () => [renderHtml(reply), renderTelegramPlain(reply), await keyboardOf(reply.buttons ?? [], shorten)],
  ],
])('%s shows words, and nothing that they could do', async (_, render) => {
  const shown = await render();
  const walk = (value: unknown): string[] =>
    typeof value === 'string'
      ? // Feishu's card is a text of JSON.
        value.startsWith('{"')
        ? walk(JSON.parse(value))
        : [value]
      : typeof value === 'object' && value !== null
        ? Object.values(value).flatMap(walk)
        : [];
  const words = walk(shown);
  expect(words.join()).toContain('w0');
  for (const text of words) {
    expect(text.isWellFormed()).toBe(true);
    expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/u);
  }
});
