import type { Kysely } from 'kysely';
import type { Peer } from '../gateway/gateway.ts';
import type { Database } from '../store/schema.ts';
import { findUpdate, type UpdateRow } from '../store/updates.ts';

/** What a device may say something about: `foreign` is another device's, or one that was never ordered of any. */
export type DeviceRow = UpdateRow | 'unknown' | 'foreign';

/**
 * The update that a device speaks of, if it is one that this device was told to carry out. What it says of another is
 * refused and logged: each device is believed about itself alone.
 */
export async function rowOfDevice(
  db: Kysely<Database>,
  peer: Pick<Peer, 'device' | 'name'>,
  { id, said }: { readonly id: string; readonly said: string },
  log: (line: string) => void,
): Promise<DeviceRow> {
  const row = await findUpdate(db, id);
  if (!row) return 'unknown';
  if (row.device === peer.device && row.order_id !== null) return row;
  const whose = row.device === peer.device ? 'was never ordered of it' : `is of ${row.device}`;
  log(`capability_denied: ${peer.device} (${peer.name}) said ${said} of ${id}, which ${whose}: refused`);
  return 'foreign';
}
