import type { Kysely, Selectable } from 'kysely';
import type { DeviceState, Labels } from '../domain/device.ts';
import { AppReport } from '../protocol/messages.ts';
import type { Database, DeviceTable } from './schema.ts';

export type DeviceRow = Selectable<DeviceTable>;

/** Notes a new connection of a device and answers its epoch: one higher than any before. */
export async function connectDevice(
  db: Kysely<Database>,
  device: { readonly id: string; readonly name: string; readonly platform: string; readonly version: string },
  now: number,
): Promise<number> {
  const row = await db
    .insertInto('devices')
    .values({
      id: device.id,
      name: device.name,
      platform: device.platform,
      agent_version: device.version,
      epoch: 1,
      connected: 1,
      recovered: 0,
      last_seen_at: now,
    })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((eb) => ({
        name: device.name,
        platform: device.platform,
        agent_version: device.version,
        epoch: eb('devices.epoch', '+', 1),
        connected: 1,
        recovered: 0,
        last_seen_at: now,
      })),
    )
    .returning('epoch')
    .executeTakeFirstOrThrow();
  return row.epoch;
}

/** A device that has joined and was never connected: epoch 0. */
export async function joinDevice(
  trx: Kysely<Database>,
  { id, name, platform }: { readonly id: string; readonly name: string; readonly platform: string },
  now: number,
): Promise<void> {
  await trx
    .insertInto('devices')
    .values({ id, name, platform, agent_version: '', epoch: 0, connected: 0, recovered: 0, last_seen_at: now })
    .execute();
}

export async function renameDevice(trx: Kysely<Database>, id: string, name: string): Promise<void> {
  await trx.updateTable('devices').set({ name }).where('id', '=', id).execute();
}

/** The end of one connection. False, and nothing changed, where a newer one has taken its place. */
export async function disconnectDevice(db: Kysely<Database>, id: string, epoch: number, now: number): Promise<boolean> {
  const result = await db
    .updateTable('devices')
    .set({ connected: 0, last_seen_at: now })
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** At the hub's start nobody is connected, whatever the last one wrote. */
export async function disconnectAll(db: Kysely<Database>): Promise<void> {
  await db.updateTable('devices').set({ connected: 0, recovered: 0 }).execute();
}

export async function saveInventory(
  trx: Kysely<Database>,
  device: string,
  apps: readonly AppReport[],
  recovered: boolean,
  now: number,
): Promise<void> {
  await trx
    .updateTable('devices')
    .set({ recovered: recovered ? 1 : 0, last_seen_at: now })
    .where('id', '=', device)
    .execute();
  await trx.deleteFrom('device_apps').where('device', '=', device).execute();
  if (apps.length === 0) return;
  const rows = apps.map((report) => ({ device, app: report.app, report: JSON.stringify(report), reported_at: now }));
  await trx.insertInto('device_apps').values(rows).execute();
}

export interface DeviceWithApps extends DeviceRow {
  readonly apps: readonly AppReport[];
  readonly state: DeviceState;
  readonly labels: Labels;
}

/** All devices with what they last reported; not those that were revoked. */
export async function listDevices(db: Kysely<Database>): Promise<DeviceWithApps[]> {
  return (await allDevices(db)).filter(({ state }) => state !== 'revoked');
}

/** {@link listDevices} with the revoked ones: for names of what was. */
export async function allDevices(db: Kysely<Database>): Promise<DeviceWithApps[]> {
  const [devices, apps] = await Promise.all([
    db
      .selectFrom('devices')
      .leftJoin('device_keys', 'device_keys.device', 'devices.id')
      .selectAll('devices')
      .select(['device_keys.state', 'device_keys.labels', 'device_keys.name as called'])
      .orderBy('devices.name')
      .execute(),
    db.selectFrom('device_apps').selectAll().execute(),
  ]);
  return devices.map(({ called, state, labels, ...device }) => ({
    ...device,
    name: called ?? device.name,
    state: state ?? 'active',
    labels: labels === null ? {} : (JSON.parse(labels) as Labels),
    apps: apps.filter((row) => row.device === device.id).map((row) => AppReport.parse(JSON.parse(row.report))),
  }));
}
