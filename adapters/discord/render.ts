import type { Button, Reply, ReplyProgress, Tone } from '../../src/chat/contract.ts';
import { clean, codeBlock, cut, escapeMarkdown, lastLines, widthOf } from './markdown.ts';

/**
 * A reply as a message of Discord: the title as text (it is what a notification shows), all else as an embed in the
 * colour of its tone, buttons below. Always within the limits (Resources, Message, "Embed Limits"; Interactions, Message
 * Components): what is too long is cut, the least important first.
 */

export interface DiscordMessage {
  readonly content: string;
  readonly embeds: readonly DiscordEmbed[];
  readonly components: readonly DiscordRow[];
  /** Nobody is pinged, whatever the text says. */
  readonly allowed_mentions: { readonly parse: readonly never[]; readonly replied_user: false };
}

export interface DiscordEmbed {
  readonly color: number;
  readonly description?: string;
  readonly fields?: readonly { readonly name: string; readonly value: string; readonly inline: boolean }[];
  readonly footer?: { readonly text: string };
}

export interface DiscordRow {
  readonly type: 1;
  readonly components: readonly DiscordButton[];
}

export interface DiscordButton {
  readonly type: 2;
  readonly style: 1 | 2 | 4;
  readonly label: string;
  readonly custom_id: string;
}

/** A button whose command has its id already. */
export interface NamedButton extends Button {
  readonly customId: string;
}

const LIMIT = {
  title: 240,
  content: 2_000,
  description: 4_096,
  embed: 6_000,
  fields: 25,
  name: 256,
  value: 1_024,
  footer: 2_048,
  rows: 5,
  perRow: 5,
  label: 80,
};
/** Shares of an embed, so that one long part leaves room for the others. */
const SHARE = { fields: 1_800, footer: 400, text: 1_600, table: 1_800 };

const COLOUR: Readonly<Record<Tone, number>> = {
  info: 0x5865f2,
  busy: 0x5865f2,
  good: 0x2ecc71,
  warn: 0xf1c40f,
  bad: 0xe74c3c,
};
const MARK: Readonly<Record<Tone, string>> = { info: 'ℹ️', busy: '⏳', good: '✅', warn: '⚠️', bad: '❌' };
const STYLE = { primary: 1, plain: 2, danger: 4 } as const;
const NOBODY = { parse: [], replied_user: false } as const;

/** @param buttons those of the reply, with their ids; more than 25 are left out */
export function renderMessage(reply: Reply, buttons: readonly NamedButton[]): DiscordMessage {
  const embed = embedOf(reply);
  return {
    content: titleLine(reply),
    embeds: embed ? [embed] : [],
    components: rowsOf(buttons),
    allowed_mentions: NOBODY,
  };
}

/** The same without an embed: for a channel in which the bot may not embed, or where one was refused. */
export function renderPlain(reply: Reply, buttons: readonly NamedButton[]): DiscordMessage {
  const title = titleLine(reply);
  const embed = embedOf(reply);
  const fields = (embed?.fields ?? []).map(({ name, value }) => `**${name}**: ${value}`);
  const hints = embed?.footer ? [`-# ${escapeMarkdown(embed.footer.text.replace(/\n/g, ' · '))}`] : [];
  const room = LIMIT.content - title.length - 2;
  const description = descriptionOf(reply, Math.max(200, room - [...fields, ...hints].join('\n').length - 1));
  const body = [description, ...fields, ...hints].filter((part) => part !== '').join('\n');
  const text = body === '' ? title : `${title}\n${body.length <= room ? body : descriptionOf(reply, room)}`;
  return { content: text, embeds: [], components: rowsOf(buttons), allowed_mentions: NOBODY };
}

function titleLine({ tone, title }: Reply): string {
  const line = clean(title).replace(/\s+/g, ' ').trim();
  return line === '' ? MARK[tone] : `${MARK[tone]} **${escapeMarkdown(cut(line, LIMIT.title))}**`;
}

function embedOf(reply: Reply): DiscordEmbed | undefined {
  const fields = fieldsOf(reply);
  const hints = (reply.hints ?? []).map((hint) => clean(hint).trim()).filter((hint) => hint !== '');
  const footer = cut(hints.join('\n'), SHARE.footer);
  const used = footer.length + fields.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  const description = descriptionOf(reply, Math.min(LIMIT.description, LIMIT.embed - used));
  if (description === '' && fields.length === 0 && footer === '') return undefined;
  return {
    color: COLOUR[reply.tone],
    ...(description === '' ? {} : { description }),
    ...(fields.length === 0 ? {} : { fields }),
    ...(footer === '' ? {} : { footer: { text: footer } }),
  };
}

/** Three stand beside each other; a word that is longer than one of them (an account's id) is broken in the middle. */
function fitsBeside(value: string): boolean {
  return widthOf(value) <= 32 && !value.includes('\n') && value.split(/\s+/).every((word) => widthOf(word) <= 18);
}

function fieldsOf(reply: Reply): NonNullable<DiscordEmbed['fields']> {
  const fields: { name: string; value: string; inline: boolean }[] = [];
  let left = SHARE.fields;
  for (const field of (reply.fields ?? []).slice(0, LIMIT.fields)) {
    // An empty name or value is refused.
    const name = cut(escapeMarkdown(field.name).trim(), LIMIT.name) || '\u200b';
    const value = cut(escapeMarkdown(field.value).trim(), Math.min(LIMIT.value, Math.max(1, left - name.length)));
    if (left - name.length <= 1) break;
    left -= name.length + value.length;
    fields.push({ name, value: value || '\u200b', inline: fitsBeside(field.value) });
  }
  return fields;
}

/** Text, progress, table, code, in this order; the code gets what is left. */
function descriptionOf(reply: Reply, most: number): string {
  const parts: string[] = [];
  let left = most;
  const add = (part: string) => {
    if (part === '' || part.length + 1 > left) return;
    parts.push(part);
    left -= part.length + 1;
  };
  add(cut((reply.text ?? []).map(escapeMarkdown).join('\n'), Math.min(SHARE.text, left - 1)));
  if (reply.progress) add(cut(progressText(reply.progress), left - 1));
  if (reply.table) add(tableText(reply.table, Math.min(SHARE.table, left - 1)));
  if (reply.code !== undefined && clean(reply.code).trim() !== '') add(codeText(reply.code, left - 1));
  return parts.join('\n');
}

const BAR = 16;

function progressText({ label, step, steps, done, total, detail }: ReplyProgress): string {
  const lines = [`**${step}/${steps}** ${escapeMarkdown(label)}`];
  if (done !== undefined && total !== undefined && total > 0) {
    const share = Math.min(1, Math.max(0, done / total));
    const full = Math.round(share * BAR);
    lines.push(`${'▰'.repeat(full)}${'▱'.repeat(BAR - full)} ${Math.floor(share * 100)}%`);
  }
  if (detail) lines.push(escapeMarkdown(detail));
  return lines.join('\n');
}

/** Wider than this wraps on a phone, where columns are no help. */
const TABLE_WIDTH = 56;
/** With as many columns, a row that is a line needs a head to be understood. */
const NEEDS_HEAD = 3;

function tableText({ columns, rows }: NonNullable<Reply['table']>, most: number): string {
  const oneLine = (cell: string) => clean(cell).replace(/\s+/g, ' ').trim();
  const filled = columns.map((_, i) => rows.some((row) => (row[i] ?? '') !== ''));
  const keep = (cells: readonly string[]) => cells.map(oneLine).filter((_, i) => filled[i]);
  const all = [keep(columns), ...rows.map((row) => keep(columns.map((_, i) => row[i] ?? '')))];
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((row) => widthOf(row[i] ?? ''))));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (widths.length === 0) return '';
  const asCode = total <= TABLE_WIDTH;
  const lines = asCode
    ? all.map((row) =>
        row
          .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - widthOf(cell)))
          .join('  ')
          .trimEnd(),
      )
    : all.slice(widths.length >= NEEDS_HEAD ? 0 : 1).map((row, i) => {
        const [first = '', ...more] = row.filter((cell) => cell !== '').map(escapeMarkdown);
        const line = `**${first}**${more.length > 0 ? ` · ${more.join(' · ')}` : ''}`;
        return i === 0 && widths.length >= NEEDS_HEAD ? [first, ...more].join(' · ') : `• ${line}`;
      });
  const room = asCode ? most - 12 : most;
  const kept = linesThatFit(lines, room);
  return asCode ? codeBlock(kept) : kept;
}

/** Whole lines from the first on; how many are missing is said. */
function linesThatFit(lines: readonly string[], most: number): string {
  const kept: string[] = [];
  let left = most - 8;
  for (const line of lines) {
    if (line.length + 1 > left) break;
    kept.push(line);
    left -= line.length + 1;
  }
  return [...kept, ...(kept.length < lines.length ? [`… +${lines.length - kept.length}`] : [])].join('\n');
}

function codeText(code: string, most: number): string {
  let lines = clean(code).trimEnd();
  // Escaping lengthens: cut until it fits.
  for (let room = most - 8; room > 8; room -= 64) {
    lines = lastLines(lines, room);
    const block = codeBlock(lines);
    if (block.length <= most) return block;
  }
  return '';
}

function rowsOf(buttons: readonly NamedButton[]): readonly DiscordRow[] {
  const shown = buttons.slice(0, LIMIT.rows * LIMIT.perRow).map(
    ({ label, style, customId }): DiscordButton => ({
      type: 2,
      style: STYLE[style ?? 'plain'],
      label: cut(clean(label).replace(/\s+/g, ' ').trim(), LIMIT.label) || '…',
      custom_id: customId,
    }),
  );
  return Array.from({ length: Math.ceil(shown.length / LIMIT.perRow) }, (_, i) => ({
    type: 1,
    components: shown.slice(i * LIMIT.perRow, (i + 1) * LIMIT.perRow),
  }));
}
