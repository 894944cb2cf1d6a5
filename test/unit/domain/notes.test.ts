import { expect, test } from 'vitest';
import { shortNotes } from '../../../src/domain/notes.ts';

test('marks of Markdown and HTML are taken away, and nothing that is meant', () => {
  const notes =
    "## What's **new**\r\n\r\n<!-- made by a tool -->\n* `npm ci` is [faster](https://example.com/x)\n- 2 * 3 * 4 <b>\n1. one_two_three";
  expect(shortNotes(notes)).toEqual(["What's new", '• npm ci is faster', '• 2 * 3 * 4 <b>', '1. one_two_three']);
  expect(shortNotes(undefined)).toEqual([]);
  expect(shortNotes(' \n ')).toEqual([]);
});

test('as much as fits, and it says that there is more', () => {
  const many = shortNotes(Array.from({ length: 50 }, (_, i) => `line ${i}`).join('\n'));
  expect(many).toHaveLength(8);
  expect(many.at(-1)).toBe('line 7 …');
  const long = shortNotes('长'.repeat(5_000));
  expect(long).toEqual([`${'长'.repeat(159)}…`]);
  const characters = shortNotes(`${'👩‍🚀'.repeat(900)}\nmore`).join('');
  expect(characters.length).toBeLessThan(700);
  expect(characters.isWellFormed()).toBe(true);
  const lines = shortNotes(Array.from({ length: 8 }, () => 'x'.repeat(150)).join('\n'));
  expect(lines.join('').length).toBeLessThanOrEqual(602);
});
