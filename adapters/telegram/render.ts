import type { Reply, Tone } from '../../src/chat/contract.ts';
import { barOf, cleaned, codeEnd, escapeHtml, headOf, tableLines } from './text.ts';

/**
 * A reply as a message of Telegram: HTML of https://core.telegram.org/bots/api#html-style, at most 4096 characters
 * after the entities are parsed, counted in UTF-16 code units (the strictest way). What is too long is cut, from what
 * matters least on: code (its beginning), table, text, fields, hints; never the title, the progress or the buttons.
 */

export const MAX_TEXT = 4_096;
const MAX_TITLE = 250;
const MAX_PROGRESS = 400;
/** More entities than 100 are not shown as such. */
const STRONG_NAMES = 60;
/** Code of more lines is folded: a quotation opens at a touch. */
const FOLD_LINES = 12;

const MARKS: Readonly<Record<Tone, string>> = { info: 'ℹ️', busy: '⏳', good: '✅', warn: '⚠️', bad: '❌' };

/** A part with its markup, and as it is counted. */
interface Part {
  readonly html: string;
  readonly length: number;
}

const CUTTABLE = ['code', 'table', 'text', 'fields', 'hints'] as const;
type Cuttable = (typeof CUTTABLE)[number];
/** What is left of each at first; if that is not enough, they go altogether, in the same order. */
const KEEP: Readonly<Record<Cuttable, number>> = { code: 700, table: 600, text: 900, fields: 900, hints: 200 };

/** Never longer than Telegram takes. */
export function renderHtml(reply: Reply): string {
  const caps: Record<Cuttable, number> = {
    code: MAX_TEXT,
    table: MAX_TEXT,
    text: MAX_TEXT,
    fields: MAX_TEXT,
    hints: MAX_TEXT,
  };
  for (const round of ['keep', 'drop'] as const) {
    for (const name of CUTTABLE) {
      const excess = total(partsOf(reply, caps)) - MAX_TEXT;
      if (excess <= 0) return join(partsOf(reply, caps));
      const now = CUTTERS[name](reply, caps[name])?.length ?? 0;
      caps[name] = round === 'drop' && now <= excess ? 0 : Math.max(round === 'keep' ? KEEP[name] : 0, now - excess);
    }
  }
  return join(partsOf(reply, caps));
}

/** Without any markup, for the case that it is refused: the same words, cut at the end. */
export function renderPlain(reply: Reply): string {
  const html = renderHtml(reply);
  const text = html
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
  return headOf(text, MAX_TEXT);
}

function partsOf(reply: Reply, caps: Readonly<Record<Cuttable, number>>): readonly Part[] {
  const cut = (name: Cuttable) => (caps[name] > 0 ? CUTTERS[name](reply, caps[name]) : undefined);
  const parts = [
    titlePart(reply),
    cut('text'),
    progressPart(reply),
    cut('fields'),
    cut('table'),
    cut('code'),
    cut('hints'),
  ];
  return parts.filter((part) => part !== undefined);
}

const join = (parts: readonly Part[]) => parts.map(({ html }) => html).join('\n');
const total = (parts: readonly Part[]) => parts.reduce((sum, { length }) => sum + length + 1, -1);

function titlePart({ tone, title }: Reply): Part {
  const mark = MARKS[tone];
  const text = headOf(cleaned(title).replace(/\s+/g, ' ').trim(), MAX_TITLE);
  return { html: `${mark} <b>${escapeHtml(text)}</b>`, length: mark.length + 1 + text.length };
}

function progressPart({ progress }: Reply): Part | undefined {
  if (!progress) return undefined;
  const { label, step, steps, done, total: all, detail } = progress;
  const known = done !== undefined && all !== undefined && all > 0;
  const share = known ? done / all : step / Math.max(1, steps);
  const bar = `${barOf(share)}${known ? ` ${Math.round(Math.min(1, Math.max(0, share)) * 100)}%` : ''}`;
  const head = headOf(cleaned(label), MAX_PROGRESS);
  const tail = detail === undefined ? '' : headOf(cleaned(detail), MAX_PROGRESS);
  const place = `${step}/${steps}`;
  return {
    html: `${escapeHtml(head)} · ${place}\n<code>${bar}</code>${tail === '' ? '' : `\n<i>${escapeHtml(tail)}</i>`}`,
    length: head.length + 3 + place.length + 1 + bar.length + (tail === '' ? 0 : tail.length + 1),
  };
}

const CUTTERS: Readonly<Record<Cuttable, (reply: Reply, cap: number) => Part | undefined>> = {
  text({ text }, cap) {
    const whole = headOf(cleaned((text ?? []).join('\n')).trim(), cap);
    return whole === '' ? undefined : { html: escapeHtml(whole), length: whole.length };
  },

  fields({ fields }, cap) {
    let length = 0;
    const lines: string[] = [];
    for (const [i, field] of (fields ?? []).entries()) {
      const name = cleaned(field.name).replace(/\s+/g, ' ');
      const room = cap - length - name.length - 3;
      if (room < 1) break;
      const value = headOf(cleaned(field.value).trim(), room);
      const shown = i < STRONG_NAMES ? `<b>${escapeHtml(name)}</b>` : escapeHtml(name);
      lines.push(`${shown}: ${escapeHtml(value)}`);
      length += name.length + 2 + value.length + 1;
    }
    return lines.length === 0 ? undefined : { html: lines.join('\n'), length: length - 1 };
  },

  table({ table }, cap) {
    if (!table || table.rows.length === 0) return undefined;
    const { lines, aligned } = tableLines(table);
    const kept: string[] = [];
    let length = 0;
    for (const [i, line] of lines.entries()) {
      const more = `… ${lines.length - i}`;
      if (length + line.length + 1 + more.length > cap && i < lines.length) {
        if (length + more.length > cap) break;
        kept.push(more);
        length += more.length + 1;
        break;
      }
      kept.push(line);
      length += line.length + 1;
    }
    if (kept.length === 0) return undefined;
    const html = escapeHtml(kept.join('\n'));
    return { html: aligned ? `<pre>${html}</pre>` : html, length: length - 1 };
  },

  code({ code }, cap) {
    const whole = cleaned(code ?? '')
      .replace(/^\n+/, '')
      .trimEnd();
    if (whole === '') return undefined;
    const shown = codeEnd(whole, cap);
    const html = escapeHtml(shown);
    const folded = shown.split('\n').length > FOLD_LINES || shown.length > 1_200;
    return {
      html: folded ? `<blockquote expandable>${html}</blockquote>` : `<pre>${html}</pre>`,
      length: shown.length,
    };
  },

  hints({ hints }, cap) {
    const whole = headOf(cleaned((hints ?? []).join('\n')).trim(), cap);
    return whole === '' ? undefined : { html: `<i>${escapeHtml(whole)}</i>`, length: whole.length };
  },
};
