import type { Reply } from '../domain/reply.ts';

/**
 * How large a reply may be. No platform shows a quarter of it; what comes from outside (notes, logs, names, answers of
 * sources) can be of any size, and is kept and drawn over and over. Far above what is shown, so that what is hidden
 * afterwards (secrets) is never cut in two where somebody sees it.
 */

/** UTF-16 code units of all paragraphs, of the code, of all cells. */
const MOST = 100_000;
const TITLE = 2_000;
const LINE = 5_000;
const PARAGRAPHS = 200;
const FIELDS = 100;
const COLUMNS = 50;
const ROWS = 1_000;
const BUTTONS = 100;

/** The same reply where it is of a sensible size. Of code the end is kept, of everything else the beginning. */
export function boundedReply(reply: Reply): Reply {
  const { text, fields, table, progress, code, buttons, hints } = reply;
  return {
    ...reply,
    title: head(reply.title, TITLE),
    ...(text ? { text: fill(text.slice(0, PARAGRAPHS)) } : {}),
    ...(fields
      ? { fields: fields.slice(0, FIELDS).map(({ name, value }) => ({ name: head(name), value: head(value) })) }
      : {}),
    ...(table
      ? { table: { columns: table.columns.slice(0, COLUMNS).map((name) => head(name)), rows: rowsOf(table) } }
      : {}),
    ...(progress
      ? {
          progress: {
            ...progress,
            label: head(progress.label),
            ...(progress.detail === undefined ? {} : { detail: head(progress.detail) }),
          },
        }
      : {}),
    ...(code === undefined ? {} : { code: code.length <= MOST ? code : code.slice(-MOST).toWellFormed() }),
    ...(buttons
      ? { buttons: buttons.slice(0, BUTTONS).map((button) => ({ ...button, label: head(button.label) })) }
      : {}),
    ...(hints ? { hints: fill(hints.slice(0, PARAGRAPHS)) } : {}),
  };
}

function rowsOf({ rows }: NonNullable<Reply['table']>): readonly (readonly string[])[] {
  let left = MOST;
  const kept: (readonly string[])[] = [];
  for (const row of rows.slice(0, ROWS)) {
    const cells = row.slice(0, COLUMNS).map((cell) => head(cell));
    left -= cells.reduce((sum, cell) => sum + cell.length, 0);
    if (left < 0) break;
    kept.push(cells);
  }
  return kept;
}

/** As many as fit, the last one cut. */
function fill(texts: readonly string[]): readonly string[] {
  let left = MOST;
  return texts.flatMap((text) => {
    if (left <= 0) return [];
    const kept = head(text, left);
    left -= kept.length + 1;
    return [kept];
  });
}

const head = (text: string, most = LINE): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
