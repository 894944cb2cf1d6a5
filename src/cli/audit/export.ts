import { existsSync } from 'node:fs';
import type { HomeLayout } from '../../../config/home.ts';
import { type AuditReader, openAuditReader } from '../../store/audit-reader.ts';
import { ownLog } from './device-files.ts';

export interface ExportOptions {
  readonly layout: HomeLayout;
  /** Milliseconds since 1970. */
  readonly since: number | undefined;
  readonly csv: boolean;
  /** A device's log instead of the hub's: its name or id. */
  readonly device: string | undefined;
  readonly write: (line: string) => void;
}

const COLUMNS = [
  'seq',
  'time',
  'by',
  'by_name',
  'where',
  'action',
  'target',
  'before',
  'after',
  'result',
  'data',
  'hash',
] as const;

/**
 * `fettle audit export`: the hub's log, oldest first; a device's exactly as it is on its lines, so that it can be verified
 * elsewhere. On a device without a hub, its own.
 *
 * @returns why there is nothing to print, where there is not
 */
export function exportAudit(options: ExportOptions): string | undefined {
  const { layout, device, write } = options;
  if (!existsSync(layout.hub.db)) {
    const own = ownLog(layout);
    if (!own) return `There is no hub and no agent in ${layout.home}. \`--home\` says where one is.`;
    writeLines(own.lines, options);
    return undefined;
  }
  const reader = openAuditReader(layout.hub.db);
  try {
    if (!reader.chained) return 'No version that chains the log has opened the database yet: start the hub once.';
    if (device !== undefined) {
      const lines = deviceLines(reader, layout, device);
      if (typeof lines === 'string') return lines;
      writeLines(lines, options);
      return undefined;
    }
    if (options.csv) write(COLUMNS.join(','));
    for (const { hash, late: _, ...row } of reader.rows()) {
      if (options.since !== undefined && row.at < options.since) continue;
      const { seq, at, by, by_name, route, event_id, ...rest } = row;
      if (!options.csv) {
        write(JSON.stringify({ ...row, hash }));
        continue;
      }
      const line = { seq, time: new Date(at).toISOString(), by, by_name, where: route, ...rest, hash };
      write(COLUMNS.map((column) => cell(line[column])).join(','));
    }
    return undefined;
  } finally {
    reader.close();
  }
}

/** The agent of the same home has its own, which is more than a copy. Of a log that became another one: what it is now. */
function deviceLines(reader: AuditReader, layout: HomeLayout, wanted: string): readonly string[] | string {
  const known = reader.devices();
  const found = known.find(({ id, name }) => id === wanted || name === wanted);
  if (!found) return `There is no device ${wanted}. Known here: ${known.map(({ name }) => name).join(', ') || 'none'}.`;
  const own = ownLog(layout);
  if (own?.device === found.id) return own.lines;
  const now: { readonly n: number; readonly line: string }[] = [];
  for (const copy of reader.copies(found.id).toReversed())
    if (copy.n < (now.at(-1)?.n ?? Number.POSITIVE_INFINITY)) now.push(copy);
  return now.toReversed().map(({ line }) => line);
}

function writeLines(lines: readonly string[], { since, csv, write }: ExportOptions): void {
  if (csv) write('n,time,what,entry');
  for (const line of lines) {
    const at = Number(/^\{"n":\d+,"at":(\d+)/.exec(line)?.[1] ?? 0);
    if (since !== undefined && at < since) continue;
    if (!csv) write(line);
    else
      write(
        [/^\{"n":(\d+)/.exec(line)?.[1], new Date(at).toISOString(), /"what":"([^"]*)"/.exec(line)?.[1], line]
          .map(cell)
          .join(','),
      );
  }
}

/** A cell that no spreadsheet takes for a formula: names are chosen by whoever has them. */
function cell(value: string | number | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value);
  const plain = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r']/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
