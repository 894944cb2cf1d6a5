import type { Devices, EnrolmentAsked } from '../commands/index.ts';
import { freeName, isDeviceName, type Labels, MOST_LABELS } from '../domain/device.ts';
import { FettleError } from '../domain/errors.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import {
  addDeviceKey,
  type DeviceKey,
  findDeviceKey,
  listDeviceKeys,
  patchDeviceKey,
  setDeviceState,
} from '../store/device-keys.ts';
import { allDevices, type DeviceWithApps, renameDevice } from '../store/devices.ts';
import { createEnrolment, type Enrolment } from './enrolment.ts';
import { type DevicesDeps, findNamed, isTakenIn, workOf } from './work.ts';

/**
 * Which devices there are and which of them may connect. Invariants: a key that was revoked never is let in again; a name
 * is one device's; a change, its audit entry and its news are one transaction, and an event that is run again changes
 * nothing more.
 */
export interface DevicesOfHub extends Devices, Pick<Enrolment, 'join' | 'mayFetch'> {
  /** Before the first device connects. */
  start(): Promise<void>;
  /** What a device must prove; the agent of the hub's own home is taken in by its key. `undefined`: unknown. */
  deviceKey(device: string): Promise<{ readonly publicKey: string; readonly state: DeviceKey['state'] } | undefined>;
  /** It has proven its key, on this machine: may it go on? A second machine holds both. */
  seen(peer: {
    readonly device: string;
    readonly machine?: string | undefined;
  }): Promise<'active' | 'held' | 'revoked'>;
  /** What people call it, whatever it calls itself. */
  nameOf(device: string): string | undefined;
}

export function createDevices(deps: DevicesDeps): DevicesOfHub {
  const work = workOf(deps);
  const { db, clock } = deps;
  const enrolment = createEnrolment(work);
  /** Names are asked for with each message of a device. */
  const names = new Map<string, string>();

  async function readNames(): Promise<void> {
    names.clear();
    for (const { device, name } of await listDeviceKeys(db)) names.set(device, name);
  }

  /** The agent beside the hub: it needs no person, for whoever can write its key can write the hub's, too. */
  async function takeLocal(device: string): Promise<void> {
    const local = deps.local();
    if (local?.device !== device) return;
    await work.change(async (trx, now) => {
      const known = await findDeviceKey(trx, device);
      if (known) {
        if (known.local && known.public_key !== local.publicKey)
          await patchDeviceKey(trx, device, { public_key: local.publicKey });
        return;
      }
      const name = freeName(isDeviceName(local.name) ? local.name : 'device', isTakenIn(await listDeviceKeys(trx)));
      const who = { enrolled_by: 'fettle', enrolled_by_name: 'Fettle' };
      const about = { hostname: local.name, platform: null, machine: null, token: null, labels: {} };
      const key = { device, public_key: local.publicKey, name, local: true, enrolled_at: now };
      await addDeviceKey(trx, { ...key, ...about, ...who });
    });
    await readNames();
  }

  async function details() {
    const [keys, devices] = await Promise.all([listDeviceKeys(db), allDevices(db)]);
    const known = keys.map((key) =>
      detailOf(
        key,
        devices.find(({ id }) => id === key.device),
      ),
    );
    const others = devices.filter(({ id }) => keys.every(({ device }) => device !== id));
    return [...known, ...others.map((device) => detailOf(undefined, device))];
  }

  return {
    join: async (request) => {
      const joined = await enrolment.join(request);
      names.set(joined.device, joined.name);
      return joined;
    },
    invite: (asked: EnrolmentAsked, asker, direct) => enrolment.invite(asked, asker, direct),
    mayFetch: enrolment.mayFetch,
    start: readNames,
    nameOf: (device) => names.get(device),

    async deviceKey(device) {
      await takeLocal(device);
      const known = await findDeviceKey(db, device);
      return known && { publicKey: known.public_key, state: known.state };
    },

    async seen({ device, machine }) {
      const state = await work.change(async (trx, now) => {
        const key = await findDeviceKey(trx, device);
        if (!key) return 'revoked' as const;
        if (key.state !== 'active' || machine === undefined || key.machine === machine) return key.state;
        // A home beside the hub may be moved with it.
        if (key.machine === null || key.local) {
          await patchDeviceKey(trx, device, { machine });
          return 'active' as const;
        }
        await setDeviceState(trx, { device, from: ['active'], to: 'held', at: now });
        await patchDeviceKey(trx, device, { other_machine: machine });
        const what = { action: 'device-cloned', target: key.name, before: 'active', after: 'held' };
        await addAudit(trx, { at: now, by: 'fettle', byName: 'Fettle', ...what });
        await work.tell(trx, `device/cloned/${device}`, { what: 'cloned', name: key.name }, now);
        deps.log(`the key of ${key.name} (${device}) was seen from a second machine: both are held`);
        return 'held' as const;
      });
      if (state !== 'active') deps.onBarred(device, state);
      return state;
    },

    list: details,

    async find(typed) {
      const key = await findNamed(db, typed);
      const found = (await details()).find(({ id }) => id === key.device);
      if (!found) throw new FettleError('unknown_device', { data: { typed, known: [] } });
      return found;
    },

    async rename(typed, to, asker) {
      const result = await work.change(async (trx, now) => {
        const done = await auditOfEvent(trx, { eventId: asker.eventId, by: asker.who.id });
        if (done?.action === 'device-rename') return { before: done.before ?? '', after: done.after ?? '' };
        if (!isDeviceName(to)) throw new FettleError('bad_device_name', { data: { name: to.slice(0, 60) } });
        const key = await findNamed(trx, typed);
        if (isTakenIn(await listDeviceKeys(trx), key.device)(to))
          throw new FettleError('device_name_taken', { data: { name: to } });
        await patchDeviceKey(trx, key.device, { name: to });
        await renameDevice(trx, key.device, to);
        const what = { target: key.device, before: key.name, after: to };
        await addAudit(trx, work.entry(asker, now, { action: 'device-rename', ...what }));
        const news = { what: 'renamed', before: key.name, after: to, by: asker.who.name } as const;
        await work.tell(trx, newsKey(asker), news, now, asker.route);
        return { before: key.name, after: to };
      });
      await readNames();
      return result;
    },

    async label(typed, changes, asker) {
      const device = await work.change(async (trx, now) => {
        const key = await findNamed(trx, typed);
        const labels: Record<string, string> = { ...key.labels };
        for (const [label, value] of Object.entries(changes)) {
          if (value === undefined) delete labels[label];
          else labels[label] = value;
        }
        if (Object.keys(labels).length > MOST_LABELS)
          throw new FettleError('bad_arguments', {
            data: { reason: `a device has ${MOST_LABELS} labels at the most` },
          });
        await patchDeviceKey(trx, key.device, { labels });
        const texts = { before: JSON.stringify(key.labels), after: JSON.stringify(labels) };
        await addAudit(trx, work.entry(asker, now, { action: 'device-label', target: key.name, ...texts }));
        return key.device;
      });
      return this.find(device);
    },

    async revoke(typed, asker) {
      const { key, already } = await work.change(async (trx, now) => {
        const key = await findNamed(trx, typed);
        if (key.local) throw new FettleError('device_is_local', { data: { device: key.name } });
        const from = ['active', 'held'] as const;
        const done = await setDeviceState(trx, { device: key.device, from, to: 'revoked', at: now });
        if (!done) return { key, already: true };
        await addAudit(
          trx,
          work.entry(asker, now, { action: 'device-revoke', target: key.name, before: key.state, after: 'revoked' }),
        );
        const news = { what: 'revoked', name: key.name, by: asker.who.name } as const;
        await work.tell(trx, newsKey(asker), news, now, asker.route);
        return { key, already: false };
      });
      // Also where it is done again: a hub that was cut off between the two.
      deps.onBarred(key.device, 'revoked');
      await deps.onLost(key.device, key.name);
      deps.log(`${key.name} (${key.device}) was revoked at ${new Date(clock.now()).toISOString()}`);
      return { name: key.name, already };
    },
  };
}

function newsKey({ route, eventId }: Parameters<Devices['revoke']>[1]): string {
  return `device/${route.platform}:${eventId}`;
}

function detailOf(key: DeviceKey | undefined, device: DeviceWithApps | undefined) {
  // A row is made when it joins: it has been seen when it has connected once.
  const met = device !== undefined && device.epoch > 0;
  return {
    id: key?.device ?? device?.id ?? '',
    name: key?.name ?? device?.name ?? '',
    state: key?.state ?? ('active' as const),
    labels: key?.labels ?? ({} as Labels),
    connected: device?.connected === 1 && key?.state !== 'revoked' && key?.state !== 'held',
    lastSeenAt: met ? device.last_seen_at : undefined,
    platform: met ? device.platform : (key?.platform ?? undefined),
    version: met ? device.agent_version : undefined,
    hostname: key?.hostname ?? undefined,
    local: key?.local === true,
    cloned: key?.other_machine != null,
    enrolledAt: key?.enrolled_at,
    enrolledByName: key?.enrolled_by_name,
    stateAt: key && key.state !== 'active' ? key.state_at : undefined,
    apps: (device?.apps ?? []).map(({ app, version, health }) => ({ app, version, health })),
  };
}
