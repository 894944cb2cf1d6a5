import type { Button, Reply, Tone } from '../../src/chat/contract.ts';
import { codeBlock, escapeMarkdown, plainText } from './escape.ts';

/**
 * A reply as a card of structure 2.0 (open.feishu.cn, "Card JSON 2.0 structure"). Words go into `plain_text` wherever
 * they can: nothing in it is Markdown, and nobody is mentioned. Cards are shared (`update_multi`), so that they can be
 * changed for everybody.
 */

/** "30 KB for the body of a request with a card": what else is in the body has the rest. Counted as it is sent. */
export const CARD_BYTES = 29_000;

const TEMPLATES: Readonly<Record<Tone, string>> = {
  info: 'blue',
  busy: 'wathet',
  good: 'green',
  warn: 'orange',
  bad: 'red',
};

const BAR_WIDTH = 20;
/** "A table shows 10 rows a page at the most"; 50 columns. */
const PAGE_ROWS = 10;
const MAX_COLUMNS = 50;
/** "200 elements a card": paragraphs and buttons beyond these are joined, or left out. */
const MAX_PARAGRAPHS = 30;
const MAX_BUTTONS = 30;
const MAX_FIELDS = 60;
/** Letters in half of a card on a phone: of a longer word (an account's id) the rest would lie over the other half. */
const HALF_A_PHONE = 22;
const MAX_TITLE = 200;
const MAX_LABEL = 60;

/** What a button sends back. */
export type ButtonValue = { readonly command: string } | { readonly name: string };

export type Carry = (button: Button) => ButtonValue;

/** How much of each part is shown. */
interface Measure {
  /** Characters of all paragraphs, of the code, of one cell; rows. */
  readonly text: number;
  readonly code: number;
  readonly cell: number;
  readonly rows: number;
  readonly hints: boolean;
}

/** From all to what must never be lost: title, buttons, the first lines, the end of the log. */
const MEASURES: readonly Measure[] = [
  { text: 12_000, code: 24_000, cell: 400, rows: 200, hints: true },
  { text: 8_000, code: 12_000, cell: 200, rows: 100, hints: true },
  { text: 4_000, code: 6_000, cell: 100, rows: 50, hints: true },
  { text: 2_000, code: 3_000, cell: 60, rows: 30, hints: true },
  { text: 1_000, code: 1_200, cell: 40, rows: 12, hints: true },
  { text: 400, code: 400, cell: 30, rows: 6, hints: false },
  { text: 200, code: 0, cell: 20, rows: 0, hints: false },
];

/** The JSON of a card that the platform takes: a reply that is too large is cut, never refused. */
export function renderCard(reply: Reply, carry: Carry): string {
  let json = '';
  for (const measure of MEASURES) {
    json = JSON.stringify(card(reply, elements(reply, measure, carry)));
    if (bytes(json) <= CARD_BYTES) return json;
  }
  return bareCard(reply, carry);
}

/** Title, first lines and buttons: for a card that the platform did not take for what is in it. */
export function bareCard(reply: Reply, carry: Carry): string {
  const lines = (reply.text ?? []).join('\n');
  for (let labels = MAX_BUTTONS; ; labels = Math.floor(labels / 2)) {
    const few = { ...reply, buttons: (reply.buttons ?? []).slice(0, labels) };
    const parts = [...(lines === '' ? [] : [paragraph(cut(lines, 500))]), ...buttons(few, carry)];
    const json = JSON.stringify(card(reply, parts));
    if (bytes(json) <= CARD_BYTES || labels === 0) return json;
  }
}

/** As the request's body has it: a string of JSON within JSON. */
function bytes(json: string): number {
  return Buffer.byteLength(JSON.stringify(json));
}

function card(reply: Reply, parts: readonly object[]): object {
  const title = cut(oneLine(reply.title), MAX_TITLE) || '…';
  return {
    schema: '2.0',
    config: { update_multi: true, width_mode: 'default', summary: { content: title } },
    header: { title: { tag: 'plain_text', content: title }, template: TEMPLATES[reply.tone] },
    body: { vertical_spacing: '8px', elements: parts },
  };
}

function elements(reply: Reply, measure: Measure, carry: Carry): object[] {
  return [
    ...paragraphs(reply.text ?? [], measure.text),
    ...progress(reply),
    ...fields(reply, measure),
    ...table(reply, measure),
    ...code(reply, measure.code),
    ...buttons(reply, carry),
    ...hints(reply, measure),
  ];
}

function paragraphs(texts: readonly string[], limit: number): object[] {
  const given = texts.map(plainText).filter((text) => text.trim() !== '');
  const whole =
    given.length <= MAX_PARAGRAPHS
      ? given
      : [...given.slice(0, MAX_PARAGRAPHS - 1), given.slice(MAX_PARAGRAPHS - 1).join('\n')];
  const shown: object[] = [];
  let left = limit;
  for (const text of whole) {
    if (left <= 0) break;
    shown.push(paragraph(cut(text, left)));
    left -= text.length;
  }
  return shown;
}

const paragraph = (content: string): object => ({
  tag: 'div',
  text: { tag: 'plain_text', content: plainText(content) },
});

const small = (content: string): object => ({
  tag: 'div',
  text: { tag: 'plain_text', content, text_size: 'notation', text_color: 'grey' },
});

function progress({ progress: given }: Reply): object[] {
  if (!given) return [];
  const { label, step, steps, done, total, detail } = given;
  const lines = [`${oneLine(label)} (${step}/${steps})`];
  if (done !== undefined && total !== undefined && total > 0) {
    const part = Math.min(Math.max(done / total, 0), 1);
    const full = Math.round(part * BAR_WIDTH);
    lines.push(`${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${Math.floor(part * 100)}%`);
  }
  return [paragraph(lines.join('\n')), ...(detail === undefined ? [] : [small(oneLine(detail))])];
}

function fields(reply: Reply, { cell }: Measure): object[] {
  const given = (reply.fields ?? []).slice(0, MAX_FIELDS);
  if (given.length === 0) return [];
  return [
    {
      tag: 'div',
      fields: given.map(({ name, value }) => ({
        is_short: name.length + value.length < 60 && !value.includes('\n') && longestWord(value) <= HALF_A_PHONE,
        text: {
          tag: 'lark_md',
          content: `**${escapeMarkdown(cut(oneLine(name), cell))}**\n${escapeMarkdown(cut(plainText(value), cell)) || '—'}`,
        },
      })),
    },
  ];
}

/** A Chinese text breaks anywhere. */
const longestWord = (text: string) => Math.max(0, ...text.split(/[\s\p{Script=Han}]+/u).map((word) => word.length));

function table(reply: Reply, { rows: most, cell }: Measure): object[] {
  if (!reply.table || reply.table.columns.length === 0) return [];
  const columns = reply.table.columns.slice(0, MAX_COLUMNS);
  const rows = reply.table.rows.slice(0, most);
  const left = reply.table.rows.length - rows.length;
  const shown = {
    tag: 'table',
    page_size: PAGE_ROWS,
    row_height: 'low',
    header_style: { bold: true, background_style: 'grey' },
    columns: columns.map((name, i) => ({
      name: `c${i}`,
      display_name: cut(oneLine(name), cell) || ' ',
      data_type: 'text',
      width: 'auto',
    })),
    rows: rows.map((row) => Object.fromEntries(columns.map((_, i) => [`c${i}`, cut(oneLine(row[i] ?? ''), cell)]))),
  };
  return [...(rows.length > 0 ? [shown] : []), ...(left > 0 ? [small(`… +${left}`)] : [])];
}

/** The end of a log says why: its beginning goes first. */
function code(reply: Reply, limit: number): object[] {
  const text = plainText(reply.code ?? '').trimEnd();
  if (text.trim() === '' || limit === 0) return [];
  const kept = text.length <= limit ? text : `…\n${whole(text.slice(text.length - limit))}`;
  return [{ tag: 'markdown', content: codeBlock(kept) }];
}

function buttons(reply: Reply, carry: Carry): object[] {
  const given = (reply.buttons ?? []).slice(0, MAX_BUTTONS);
  if (given.length === 0) return [];
  return [
    {
      tag: 'column_set',
      flex_mode: 'flow',
      horizontal_spacing: '8px',
      columns: given.map((button) => ({
        tag: 'column',
        width: 'auto',
        elements: [
          {
            tag: 'button',
            text: { tag: 'plain_text', content: cut(oneLine(button.label), MAX_LABEL) || '…' },
            type: button.style === 'primary' || button.style === 'danger' ? button.style : 'default',
            behaviors: [{ type: 'callback', value: carry(button) }],
          },
        ],
      })),
    },
  ];
}

function hints(reply: Reply, measure: Measure): object[] {
  const given = (reply.hints ?? []).map(oneLine).filter((hint) => hint !== '');
  return given.length === 0 || !measure.hints ? [] : [small(cut(given.join(' · '), 1_000))];
}

const oneLine = (text: string): string =>
  plainText(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');

/** Cut with an ellipsis, never between the halves of a character. */
function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${whole(text.slice(0, Math.max(limit - 1, 0)))}…`;
}

/** Without a half character at either end. */
const whole = (text: string): string => text.replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '');
