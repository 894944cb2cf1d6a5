import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { logFiles } from '../../../agent/audit/files.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { readTrimmed } from '../../files/durable.ts';
import { CHAIN_START, chained } from '../../protocol/audit-chain.ts';
import { rowText } from '../../store/audit-chain.ts';
import { readLines } from '../audit/device-log.ts';
import { type Check, type Finding, note, ok, wrong } from './contract.ts';
import { type ReadDatabase, readDatabase } from './open-database.ts';

/** Entries of the hub, and bytes of the device's file, that are looked at: `fettle audit verify` looks at everything. */
const ENTRIES = 500;
const BYTES = 64 * 1024;
const VERIFY = '`fettle audit verify` says what is wrong, and since when. Keep the database and the log as they are.';

/** The ends of the audit logs of this home: is each whole, and do they agree. */
export const audit: Check = {
  title: 'Audit log',
  limitMs: 5_000,
  *look(facts) {
    const { layout } = facts;
    const device = readTrimmed(join(layout.agent.dir, 'id')) ?? '';
    // The copy first: the device goes on meanwhile, and may only be ahead of it.
    const seen = existsSync(layout.hub.db) ? readDatabase(facts, (db) => look(db, device)) : undefined;
    if (seen) yield* seen.findings;
    yield* ownLog(layout, seen?.copies ?? []);
    if (seen && seen.branches > 1)
      yield note("The device's audit log became another one, once or more.", '`fettle audit verify` says when.');
  },
};

interface Copy {
  readonly n: number;
  readonly line: string;
}

interface Seen {
  readonly findings: readonly Finding[];
  /** The newest of the device's entries that the hub was told, oldest first. */
  readonly copies: readonly Copy[];
  readonly branches: number;
}

type Row = Parameters<typeof rowText>[0] & { readonly hash: string | null };

function look(db: ReadDatabase, device: string): Seen {
  const has = db.prepare("select 1 from sqlite_master where name = 'audit_chain'").get();
  if (!has) return { findings: [], copies: [], branches: 0 };
  const rows = db
    .prepare('select a.*, c.hash from audit a left join audit_chain c on c.seq = a.seq order by a.seq desc limit ?')
    .all(ENTRIES) as unknown as Row[];
  const given = db.prepare("select seq from sqlite_sequence where name = 'audit'").get() as { seq: number } | undefined;
  const before = db.prepare('select hash from audit_chain where seq = ?').get((rows.at(-1)?.seq ?? 1) - 1) as
    | { hash: string }
    | undefined;
  const newest = db
    .prepare('select max(branch) as branch from device_audit where device = ?')
    .get(device) as unknown as { branch: number | null };
  const copies = db
    .prepare('select n, line from device_audit where device = ? and branch = ? order by n desc limit ?')
    .all(device, newest.branch ?? 0, ENTRIES) as unknown as Copy[];
  const problem = chainProblem(rows.reverse(), before?.hash, given?.seq ?? 0);
  const count = rows.length === ENTRIES ? `its last ${ENTRIES} entries` : `${rows.length} entries`;
  return {
    findings: [
      problem === undefined
        ? ok(`The hub's audit log is chained (${count})`)
        : wrong(`The hub's audit log: ${problem}`, VERIFY),
    ],
    copies: copies.reverse(),
    branches: newest.branch ?? 0,
  };
}

/** @param before the hash of the entry before the first, where there is one @param given the highest number so far */
function chainProblem(rows: readonly Row[], before: string | undefined, given: number): string | undefined {
  const [first] = rows;
  let hash = before ?? CHAIN_START;
  let seq = (first?.seq ?? 1) - 1;
  for (const { hash: written, ...row } of rows) {
    if (row.seq !== seq + 1) return `entries before ${row.seq} are missing`;
    const expected = chained(hash, rowText(row));
    // One without a hash was written by a version that knows no chain: the next entry chains it.
    if (written !== null && written !== expected) return `entry ${row.seq} is not what was written`;
    hash = expected;
    seq = row.seq;
  }
  return given > seq ? `it ends with entry ${seq}, and there were ${given}` : undefined;
}

function* ownLog(layout: HomeLayout, copies: readonly Copy[]): Generator<Finding> {
  const path = logFiles(layout.agent.audit).at(-1);
  if (path === undefined) {
    if (copies.length > 0) yield wrong(`The device's audit log is gone (${layout.agent.audit})`, VERIFY);
    return;
  }
  const { entries, findings } = readLines(lastLines(path), 'device', 'file');
  const broken = findings.find(({ level }) => level === 'wrong');
  if (broken) {
    yield wrong(`The device's audit log: ${broken.text}`, VERIFY);
    return;
  }
  const there = new Map(entries.map(({ n, hash }) => [n, hash]));
  const other = copies.find(({ n, line }) => there.has(n) && !line.endsWith(`"hash":"${there.get(n)}"}`));
  const told = copies.at(-1)?.n ?? 0;
  const end = entries.at(-1)?.n ?? 0;
  if (other) yield wrong(`The device's audit log: entry ${other.n} is another one than it told the hub`, VERIFY);
  else if (told > end)
    yield wrong(`The device's audit log ends with entry ${end}, and it told the hub of ${told}`, VERIFY);
  else
    yield ok(
      `The device's audit log is chained${told > 0 ? ", and the hub's copy agrees" : ''} (its last ${entries.length} entries)`,
    );
}

/** Whole lines from the end of a file. */
function lastLines(path: string): string[] {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, BYTES));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    const lines = bytes.toString('utf8', 0, read).split('\n');
    // The last is what follows the last end of line; the first was cut.
    return lines.slice(size > bytes.length ? 1 : 0, -1);
  } finally {
    closeSync(file);
  }
}
