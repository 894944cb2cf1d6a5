import type { Kysely, Selectable } from 'kysely';
import type { DeviceState, Labels } from '../domain/device.ts';
import type { Database, DeviceKeyTable } from './schema.ts';

/** Who may connect as which device. */

type Row = Selectable<DeviceKeyTable>;

export interface DeviceKey extends Omit<Row, 'labels' | 'local'> {
  readonly labels: Labels;
  readonly local: boolean;
}

export type NewDeviceKey = Omit<DeviceKey, 'other_machine' | 'state' | 'state_at'>;

export async function addDeviceKey(trx: Kysely<Database>, key: NewDeviceKey): Promise<void> {
  await trx
    .insertInto('device_keys')
    .values({
      ...key,
      labels: JSON.stringify(key.labels),
      local: key.local ? 1 : 0,
      other_machine: null,
      state: 'active',
      state_at: key.enrolled_at,
    })
    .execute();
}

export async function findDeviceKey(db: Kysely<Database>, device: string): Promise<DeviceKey | undefined> {
  const row = await db.selectFrom('device_keys').selectAll().where('device', '=', device).executeTakeFirst();
  return row && keyOf(row);
}

export async function findByPublicKey(db: Kysely<Database>, publicKey: string): Promise<DeviceKey | undefined> {
  const row = await db.selectFrom('device_keys').selectAll().where('public_key', '=', publicKey).executeTakeFirst();
  return row && keyOf(row);
}

/** By name; the revoked last, which have given theirs away. */
export async function listDeviceKeys(db: Kysely<Database>): Promise<DeviceKey[]> {
  const rows = await db.selectFrom('device_keys').selectAll().orderBy('name').orderBy('enrolled_at').execute();
  const keys = rows.map(keyOf);
  return [...keys.filter((key) => key.state !== 'revoked'), ...keys.filter((key) => key.state === 'revoked')];
}

/** @param from states in which it may be done; false, and nothing changed, in another */
export async function setDeviceState(
  trx: Kysely<Database>,
  of: { readonly device: string; readonly from: readonly DeviceState[]; readonly to: DeviceState; readonly at: number },
): Promise<boolean> {
  const result = await trx
    .updateTable('device_keys')
    .set({ state: of.to, state_at: of.at })
    .where('device', '=', of.device)
    .where('state', 'in', of.from)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function patchDeviceKey(
  trx: Kysely<Database>,
  device: string,
  patch: { name?: string; labels?: Labels; machine?: string; other_machine?: string; public_key?: string },
): Promise<void> {
  const { labels, ...rest } = patch;
  await trx
    .updateTable('device_keys')
    .set({ ...rest, ...(labels ? { labels: JSON.stringify(labels) } : {}) })
    .where('device', '=', device)
    .execute();
}

function keyOf({ labels, local, ...row }: Row): DeviceKey {
  return { ...row, local: local === 1, labels: JSON.parse(labels) as Labels };
}
