import { CHAIN_START, chained } from '../../protocol/audit-chain.ts';
import { rowText } from '../../store/audit-chain.ts';
import type { AuditReader } from '../../store/audit-reader.ts';
import { type Finding, note, wrong } from './finding.ts';

/** What the hub's log says of one order. */
export interface SentOrder {
  readonly seq: number;
  readonly at: number;
  readonly id: string;
  readonly update: string;
  readonly device: string;
  readonly digest: string;
  readonly app: string;
}

/** How an update ended, as the hub's log has it. */
export interface HubEnd {
  readonly seq: number;
  readonly at: number;
  readonly state: string;
  /** The device said so; else the hub gave it up. */
  readonly byDevice: boolean;
}

/** A tool that was asked for. */
export interface SentTool {
  readonly seq: number;
  readonly at: number;
  readonly request: string;
  readonly device: string;
  readonly tool: string;
  readonly digest: string;
}

/** How it ended, as the hub's log has it: the last word. */
export interface HubToolEnd {
  readonly seq: number;
  readonly at: number;
  readonly result: string;
  /** The device said so; else the hub gave it up. */
  readonly byDevice: boolean;
}

export interface HubLog {
  readonly entries: number;
  readonly hashes: ReadonlyMap<number, string>;
  readonly orders: ReadonlyMap<string, SentOrder>;
  /** Orders that got no answer, and were made anew. */
  readonly unanswered: ReadonlySet<string>;
  /** Orders that the device refused. */
  readonly denied: ReadonlySet<string>;
  readonly ends: ReadonlyMap<string, HubEnd>;
  readonly tools: ReadonlyMap<string, SentTool>;
  readonly toolEnds: ReadonlyMap<string, HubToolEnd>;
  /** `DEVICE DIGEST` of each policy that was offered. */
  readonly policies: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** Reads the hub's log once, and checks its chain on the way. */
export function readHubLog(reader: AuditReader): HubLog {
  const hashes = new Map<number, string>();
  const orders = new Map<string, SentOrder>();
  const unanswered = new Set<string>();
  const denied = new Set<string>();
  const ends = new Map<string, HubEnd>();
  const tools = new Map<string, SentTool>();
  const toolEnds = new Map<string, HubToolEnd>();
  const policies = new Set<string>();
  const findings: Finding[] = [];
  let previous = CHAIN_START;
  let seq = 0;
  let late = 0;
  let unchained = 0;
  let entries = 0;
  for (const { hash, late: isLate, ...row } of reader.rows()) {
    entries += 1;
    if (row.seq !== seq + 1) {
      const which = row.seq === seq + 2 ? `Entry ${seq + 1} is` : `Entries ${seq + 1} to ${row.seq - 1} are`;
      findings.push(wrong('hub', 'entry_missing', `${which} missing: somebody removed it from the database.`, row.at));
    }
    const expected = chained(previous, rowText(row));
    if (hash === null) unchained += 1;
    else if (expected !== hash) {
      // After a gap nothing can fit; that was said.
      if (row.seq === seq + 1)
        findings.push(
          wrong(
            'hub',
            'entry_changed',
            `Entry ${row.seq} (${row.action}) is not what was written: it, or one before it, was changed or moved.`,
            row.at,
          ),
        );
    }
    previous = hash ?? expected;
    if (hash !== null) hashes.set(row.seq, hash);
    late += isLate ?? 0;
    seq = row.seq;
    take(row);
  }
  const highest = Math.max(reader.highest(), reader.chainEnd());
  if (highest > seq)
    findings.push(
      wrong('hub', 'tail_cut', `The log ends with entry ${seq}, and there were ${highest}: its end was cut off.`),
    );
  if (late > 0)
    findings.push(
      note(
        'hub',
        'chained_late',
        `${late} entries were written by a version that did not chain them, and were chained later.`,
      ),
    );
  if (unchained > 0)
    findings.push(
      note(
        'hub',
        'not_chained',
        `${unchained} entries are not chained yet: a version that knows no chain wrote them. The next change chains them.`,
      ),
    );

  function take(row: {
    seq: number;
    at: number;
    by: string;
    action: string;
    target: string | null;
    after: string | null;
    result: string | null;
    data: string | null;
  }): void {
    const data = dataOf(row.data);
    const { seq, at } = row;
    if (row.action === 'order' && row.after !== null) {
      const { update = '', device = '', order: digest = '' } = data;
      orders.set(row.after, { seq, at, id: row.after, update, device, digest, app: row.target ?? '' });
    } else if (row.action === 'order-unanswered' && row.after !== null) unanswered.add(row.after);
    else if (row.action === 'order-denied' && row.after !== null) denied.add(row.after);
    else if ((row.action === 'update-end' || row.action === 'update-here') && row.after !== null && row.result !== null)
      ends.set(row.after, { seq, at, state: row.result, byDevice: row.by.startsWith('device:') });
    else if (row.action === 'tool' && data.request !== undefined) {
      const { request, device = '', tool = '', digest = '' } = data;
      tools.set(request, { seq, at, request, device, tool, digest });
    } else if (row.action === 'tool-end' && row.target !== null && row.result !== null)
      toolEnds.set(row.target, { seq, at, result: row.result, byDevice: row.by.startsWith('device:') });
    else if (row.action === 'policy-offer') policies.add(`${row.target} ${data.digest}`);
  }

  return { entries, hashes, orders, unanswered, denied, ends, tools, toolEnds, policies, findings };
}

function dataOf(text: string | null): Partial<Record<string, string>> {
  try {
    return text === null ? {} : (JSON.parse(text) as Record<string, string>);
  } catch {
    return {};
  }
}
