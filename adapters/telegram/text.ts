import type { Reply } from '../../src/chat/contract.ts';
import { widthOf } from './buttons.ts';

/** Words made fit for Telegram: cleaned, cut, escaped, drawn. Pure. */

/** Without terminals' colours and control characters; broken halves of characters are replaced. */
export function cleaned(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, '')
      .replace(/\r\n?/g, '\n')
      .replace(/\t/g, '  ')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
      // `@name` would call somebody who is named so: a joiner that nobody sees keeps it a word.
      .replace(/(?<!\w)@(?=[A-Za-z]\w)/g, '@\u2060')
      .toWellFormed()
  );
}

export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** At most `cap` UTF-16 code units, with an ellipsis where something is missing. No character is cut in two. */
export function headOf(text: string, cap: number): string {
  if (text.length <= cap) return text;
  if (cap < 1) return '';
  return `${text
    .slice(0, cap - 1)
    .replace(/[\ud800-\udbff]$/, '')
    .trimEnd()}…`;
}

/** The end of a log says what happened: its beginning is cut, at a line where there is one near. */
export function codeEnd(text: string, cap: number): string {
  if (text.length <= cap) return text;
  if (cap < 3) return '';
  const end = text.slice(text.length - (cap - 2)).replace(/^[\udc00-\udfff]/, '');
  const line = end.indexOf('\n');
  return `…\n${line !== -1 && line < end.length / 2 ? end.slice(line + 1) : end}`;
}

const BAR = 12;

/** ▰▰▰▱▱▱ */
export function barOf(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR);
  return '▰'.repeat(full) + '▱'.repeat(BAR - full);
}

/** Columns that a phone shows in one line of fixed width. */
const PHONE = 38;

/** With as many columns, a row that is a line needs a head to be understood. */
const NEEDS_HEAD = 3;

/** A table that fits a phone has columns; of another each row is a line. */
export function tableLines(table: NonNullable<Reply['table']>): {
  readonly lines: readonly string[];
  readonly aligned: boolean;
} {
  const clean = (cells: readonly string[]) => cells.map((cell) => cleaned(cell).replace(/\s+/g, ' ').trim());
  const filled = table.columns.map((_, i) => table.rows.some((row) => (row[i] ?? '') !== ''));
  const keep = (cells: readonly string[]) => clean(cells).filter((_, i) => filled[i]);
  const rows = [keep(table.columns), ...table.rows.map(keep)];
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => widthOf(row[i] ?? ''))));
  const aligned = widths.reduce((sum, width) => sum + width + 2, -2) <= PHONE;
  if (!aligned) {
    const [head = '', ...lines] = rows.map((row) => row.filter((cell) => cell !== '').join(' · '));
    return { lines: [...(widths.length >= NEEDS_HEAD ? [head] : []), ...lines.map((line) => `• ${line}`)], aligned };
  }
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd(),
  );
  return { lines, aligned };
}
