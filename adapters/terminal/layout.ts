import type { Reply, Tone } from '../../src/chat/contract.ts';
import { clean, pad, truncate, widthOf, wrap } from './width.ts';

/** A reply as lines of text: one layout for people's terminals (colours, bounded width) and for plain output. */

/** How words are made to look. Plain output leaves them as they are. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly toned: (tone: Tone, text: string) => string;
}

export const NO_PAINT: Paint = { strong: (t) => t, faint: (t) => t, toned: (_, t) => t };

export interface Look {
  readonly paint: Paint;
  /** Columns there are; `Infinity` where nothing is wrapped. */
  readonly width: number;
  /** Before the title, by tone; `undefined` in plain output. */
  readonly marks: Readonly<Record<Tone, string>> | undefined;
}

export const MARKS: Readonly<Record<Tone, string>> = { info: '•', busy: '•', good: '✔', warn: '!', bad: '✖' };

/** The whole card. Every line is at most `look.width` columns wide. */
export function layout(raw: Reply, look: Look): readonly string[] {
  const reply = cleanReply(raw);
  const { paint, width, marks } = look;
  const head = marks ? `${marks[reply.tone]} ` : '';
  const indent = '  ';
  const inner = width - indent.length;
  const lines: string[] = [];
  for (const [i, line] of wrap(reply.title, width - widthOf(head)).entries()) {
    const mark = i === 0 ? paint.toned(reply.tone, head) : ' '.repeat(widthOf(head));
    lines.push(`${mark}${paint.strong(line)}`);
  }
  const add = (line: string) => lines.push(`${indent}${line}`.trimEnd());
  for (const paragraph of reply.text ?? []) for (const line of wrap(paragraph, inner)) add(line);
  if (reply.progress) add(progressLine(reply, look, inner));
  for (const line of fieldLines(reply.fields ?? [], look, inner)) add(line);
  if (reply.table) for (const line of tableLines(reply.table, look, inner)) add(line);
  if (reply.code !== undefined) {
    const code = reply.code.trimEnd().split('\n');
    // A single line is there to be copied: whole, and nothing before it. The terminal wraps it by itself.
    if (code.length === 1 && code[0] !== undefined) lines.push(code[0]);
    else
      for (const line of code) {
        for (const part of wrap(line, inner - 2)) add(paint.faint(`${marks ? '│' : '|'} ${part}`));
      }
  }
  for (const line of buttonLines(reply, look, inner)) add(line);
  for (const hint of reply.hints ?? []) for (const line of wrap(hint, inner)) add(paint.faint(line));
  return lines;
}

/** `web 2.0.2 → 3.0.1` with its step and bar, in one to three lines; redrawn in place. */
export function liveLines(raw: Reply, look: Look, mark: string): readonly string[] {
  const reply = cleanReply(raw);
  const { paint, width } = look;
  const progress = reply.progress;
  const step = progress ? `[${progress.step}/${progress.steps}] ` : '';
  const title = truncate(reply.title, width - 2);
  const label = progress ? `${step}${progress.label}` : '';
  const room = width - 2 - widthOf(title) - 2;
  const beside = room >= Math.min(LABEL, widthOf(label));
  const lines = [
    `${paint.toned(reply.tone, mark)} ${paint.strong(title)}${beside ? `  ${truncate(label, room)}` : ''}`,
  ];
  if (!beside) lines.push(`  ${truncate(label, width - 2)}`);
  const detail = progress?.detail ?? reply.text?.[0];
  if (detail !== undefined) {
    const bar = progress && width >= 2 * BAR + 10 ? barOf(progress.done, progress.total, look) : '';
    const text = truncate(detail, width - 2 - (bar === '' ? 0 : BAR + 2));
    lines.push(`  ${bar === '' ? '' : `${bar}  `}${paint.faint(text)}`);
  }
  return lines.map((line) => line.trimEnd());
}

/** A label that has less room goes to a line of its own. */
const LABEL = 24;
const BAR = 20;

function barOf(done: number | undefined, total: number | undefined, { paint }: Look): string {
  if (done === undefined || total === undefined || total <= 0) return '';
  const full = Math.round(Math.min(1, Math.max(0, done / total)) * BAR);
  return paint.toned('busy', '█'.repeat(full)) + paint.faint('░'.repeat(BAR - full));
}

/** `[2/7] fetching the new version, 3.1 MB of 8.0 MB · 1.2 MB/s`. */
export function progressText(reply: Reply): string {
  const progress = reply.progress;
  if (!progress) return '';
  return `[${progress.step}/${progress.steps}] ${progress.label}${progress.detail ? `, ${progress.detail}` : ''}`;
}

function progressLine(reply: Reply, { marks }: Look, width: number): string {
  return marks ? truncate(progressText(reply), width) : progressText(reply);
}

function fieldLines(fields: NonNullable<Reply['fields']>, { paint, marks }: Look, width: number): readonly string[] {
  const names = marks ? Math.min(24, Math.max(0, ...fields.map(({ name }) => widthOf(name)))) : 0;
  return fields.flatMap(({ name, value }) => {
    if (!marks) return [`${name}: ${value}`];
    const [first = '', ...more] = wrap(value, width - names - 2);
    const label = widthOf(name) > names ? `${name}  ` : pad(name, names + 2);
    return [`${paint.faint(label)}${first}`, ...more.map((line) => ' '.repeat(names + 2) + line)];
  });
}

function tableLines(table: NonNullable<Reply['table']>, { paint }: Look, width: number): readonly string[] {
  const filled = table.columns.map((_, i) => table.rows.some((row) => (row[i] ?? '') !== ''));
  const keep = <T>(cells: readonly T[]) => cells.filter((_, i) => filled[i]);
  const rows = table.rows.map((row) => keep(row));
  const columns = keep(table.columns);
  const widths = columns.map((name, i) => Math.max(widthOf(name), ...rows.map((row) => widthOf(row[i] ?? ''))));
  const gap = 2;
  const total = () => widths.reduce((sum, one) => sum + one, 0) + gap * (widths.length - 1);
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths));
    // Too narrow for columns: a row is a paragraph.
    if ((widths[widest] ?? 0) <= 14) return rows.flatMap((row) => recordLines(row, width));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  const draw = (cells: readonly string[]): string[] => {
    const wrapped = cells.map((cell, i) => wrap(cell, Math.max(4, widths[i] ?? 4)));
    const height = Math.max(1, ...wrapped.map((lines) => lines.length));
    return Array.from({ length: height }, (_, row) =>
      wrapped
        .map((lines, i) => pad(lines[row] ?? '', widths[i] ?? 0))
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  };
  return [...draw(columns).map((line) => paint.faint(line)), ...rows.flatMap((row) => draw(row))];
}

function recordLines(row: readonly string[], width: number): readonly string[] {
  const cells = row.filter((cell) => cell !== '').join(' · ');
  return wrap(cells, width - 2).map((line, i) => (i === 0 ? line : `  ${line}`));
}

/** A terminal has no buttons: what each would send, to be typed. Those that a hint says already are left out. */
function buttonLines(reply: Reply, { paint }: Look, width: number): readonly string[] {
  const said = new Set(reply.hints ?? []);
  const buttons = (reply.buttons ?? []).filter(({ command }) => !said.has(command));
  return buttons.flatMap(({ label, command }) =>
    label === command
      ? [`→ ${command}`]
      : widthOf(label) + widthOf(command) + 3 <= width
        ? [`${paint.faint(`${label}:`)} ${command}`]
        : [paint.faint(`${label}:`), ...wrap(command, width)],
  );
}

function cleanReply(reply: Reply): Reply {
  const line = (text: string) => clean(text).replace(/\n/g, ' ');
  return {
    ...reply,
    title: line(reply.title),
    text: reply.text?.map(clean),
    fields: reply.fields?.map(({ name, value }) => ({ name: line(name), value: clean(value) })),
    table: reply.table && {
      columns: reply.table.columns.map(line),
      rows: reply.table.rows.map((row) => row.map(line)),
    },
    progress: reply.progress && {
      ...reply.progress,
      label: line(reply.progress.label),
      ...(reply.progress.detail === undefined ? {} : { detail: line(reply.progress.detail) }),
    },
    code: reply.code === undefined ? undefined : clean(reply.code),
    buttons: reply.buttons?.map((button) => ({ ...button, label: line(button.label), command: line(button.command) })),
    hints: reply.hints?.map(clean),
  };
}
