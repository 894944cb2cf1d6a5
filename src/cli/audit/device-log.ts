import { CHAIN_START, chained, readDeviceLine } from '../../protocol/audit-chain.ts';
import { type Finding, note, wrong } from './finding.ts';

/** One entry of a device's log. */
export interface Entry {
  readonly n: number;
  readonly hash: string;
  readonly at: number;
  readonly what: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Lines in their order, with what is wrong in the chain of them. @param log the device's name */
export function readLines(
  lines: readonly string[],
  log: string,
  from: 'file' | 'copy',
): { readonly entries: readonly Entry[]; readonly findings: readonly Finding[] } {
  const entries: Entry[] = [];
  const findings: Finding[] = [];
  const where = from === 'file' ? 'In the file' : "In the hub's copy";
  let before: { n: number; hash: string } | undefined;
  for (const line of lines) {
    const read = readDeviceLine(line);
    const values = read && valuesOf(read.text);
    if (!read || !values) {
      const n: number = (before?.n ?? 0) + 1;
      findings.push(wrong(log, 'entry_changed', `${where}, entry ${n} is not one that an agent writes.`));
      before = { n, hash: '' };
      continue;
    }
    const at = typeof values.at === 'number' ? values.at : 0;
    if (!before && read.n > 1)
      findings.push(
        note(log, 'begins_late', `${where}, the log begins with entry ${read.n}: those before were put away.`, at),
      );
    if (before && read.n !== before.n + 1)
      findings.push(wrong(log, 'entry_missing', `${where}, entries ${before.n + 1} to ${read.n - 1} are missing.`, at));
    else if ((before || read.n === 1) && chained(before?.hash ?? CHAIN_START, read.text) !== read.hash)
      findings.push(
        wrong(
          log,
          'entry_changed',
          `${where}, entry ${read.n} does not fit the one before it: one of them was changed.`,
          at,
        ),
      );
    entries.push({ n: read.n, hash: read.hash, at, what: String(values.what), values });
    before = read;
  }
  return { entries, findings };
}

/** Whose log it is, by its first lines. */
export function deviceIn(entries: readonly Entry[]): string | undefined {
  const named = entries.find(({ values }) => typeof values.device === 'string');
  return named && String(named.values.device);
}

function valuesOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
