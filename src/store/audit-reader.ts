import BetterSqlite3 from 'better-sqlite3';
import type { Selectable } from 'kysely';
import type { AuditTable, DeviceAuditTable } from './schema.ts';

/** The audit log of a hub as it is on disk, read beside a hub that runs or not; nothing is ever written. */
export interface AuditReader {
  /** False where no version with a chain has opened the database yet. */
  readonly chained: boolean;
  /** Entries with their hashes, oldest first; `hash` is null where an entry has none yet. */
  rows(): Iterable<Selectable<AuditTable> & { readonly hash: string | null; readonly late: number | null }>;
  /** The highest number that an entry ever had. */
  highest(): number;
  /** The chain's own newest number, whether there is an entry of that number or not. */
  chainEnd(): number;
  devices(): readonly { readonly id: string; readonly name: string }[];
  copies(device: string): readonly DeviceAuditTable[];
  close(): void;
}

/** @throws the system's error where the file can't be opened */
export function openAuditReader(path: string): AuditReader {
  const db = new BetterSqlite3(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
  // One instant for everything that is read: the hub goes on meanwhile.
  db.exec('begin');
  const one = <T>(sql: string): T | undefined => db.prepare(sql).get() as T | undefined;
  const chained = one("select 1 from sqlite_master where name = 'audit_chain'") !== undefined;
  return {
    chained,
    rows: () =>
      db
        .prepare('select a.*, c.hash, c.late from audit a left join audit_chain c on c.seq = a.seq order by a.seq')
        .iterate() as Iterable<Selectable<AuditTable> & { hash: string | null; late: number | null }>,
    highest: () => one<{ seq: number }>("select seq from sqlite_sequence where name = 'audit'")?.seq ?? 0,
    chainEnd: () => one<{ seq: number | null }>('select max(seq) as seq from audit_chain')?.seq ?? 0,
    devices: () =>
      db
        .prepare(
          'select id, name from devices union select distinct device, device from device_audit where device not in (select id from devices)',
        )
        .all() as { id: string; name: string }[],
    copies: (device) =>
      db
        .prepare('select * from device_audit where device = ? order by branch, n')
        .all(device) as unknown as DeviceAuditTable[],
    close: () => db.close(),
  };
}
