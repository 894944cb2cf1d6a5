import type { Kysely } from 'kysely';
import type { Adapter } from '../chat/contract.ts';
import type { Approvals, Choices, Devices, DeviceTools, People, Preferences, Services } from '../commands/index.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import type { SettingsReader } from '../domain/settings.ts';
import type { BackupReader } from '../gateway/backup-reader.ts';
import type { LogReader } from '../gateway/log-reader.ts';
import type { ReleaseChecker } from '../releases/index.ts';
import { allDevices, type DeviceWithApps, listDevices } from '../store/devices.ts';
import { eventsOf } from '../store/events.ts';
import { lostAnswers } from '../store/outbox.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates, endedUpdates, findUpdate, type UpdateRow } from '../store/updates.ts';
import type { Engine } from './engine.ts';
import type { Notices } from './notices.ts';
import { planOf } from './plan.ts';
import type { RequestedApp, Requests } from './requests.ts';
import { viewOf } from './update-view.ts';

export interface ServicesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly checker: ReleaseChecker;
  readonly engine: Engine;
  readonly requests: Requests;
  readonly notices: Pick<Notices, 'later'>;
  readonly logs: LogReader;
  readonly backups: Pick<BackupReader, 'list'>;
  readonly apps: readonly RequestedApp[];
  readonly settings: Preferences & Pick<SettingsReader, 'current'>;
  readonly choices: Choices;
  readonly people: People;
  readonly approvals: Approvals;
  readonly tools: DeviceTools;
  readonly fleet: Devices;
  readonly version: string;
  readonly adapters: readonly Adapter[];
}

/** Answers that could not be given are told of for this long. */
const LOST_MS = 24 * 60 * 60_000;

/** What commands may ask of the hub. */
export function createServices(deps: ServicesDeps): Services {
  const { db, checker, engine, requests } = deps;

  function appOf(name: string): RequestedApp {
    const app = deps.apps.find((known) => known.name === name);
    if (!app) throw new FettleError('unknown_app', { data: { app: name, known: deps.apps.map((a) => a.name) } });
    return app;
  }

  async function views(rows: readonly UpdateRow[]) {
    const names = new Map((await allDevices(db)).map((device) => [device.id, device.name]));
    return rows.map((row) => viewOf(row, names.get(row.device) ?? row.device));
  }

  async function oneToCancel(): Promise<string> {
    const rows = await activeUpdates(db);
    const [only] = rows;
    if (!only) throw new FettleError('nothing_to_cancel');
    if (rows.length > 1) {
      const ids = rows.map((row) => `${row.id} (${row.app})`);
      throw new FettleError('bad_arguments', {
        data: { problem: 'several', fits: ids, usage: '/update cancel ID' },
      });
    }
    return only.id;
  }

  return {
    settings: () => ({
      apps: deps.apps,
      defaultApp: deps.settings.current().defaultApp ?? undefined,
      version: deps.version,
    }),
    preferences: deps.settings,
    choices: deps.choices,
    people: deps.people,
    approvals: deps.approvals,
    tools: deps.tools,
    fleet: deps.fleet,
    check: (app, signal) => checker.check(appOf(app), { signal }),
    known: async (app) => (await checker.known(appOf(app))) ?? { offer: { releases: [], channels: {} } },
    request: (order, signal) => requests.request(order, signal),
    async plan(order, signal) {
      const decision = await requests.decide(order, signal);
      return planOf(decision, { withData: order.withData, backup: deps.settings.current().backup });
    },
    async backups(wanted, signal) {
      const devices = await listDevices(db);
      const asked = wanted === undefined ? deps.apps : [appOf(wanted)];
      const lists = await Promise.all(
        asked.map(async ({ name }) => {
          const device = deviceOf(devices, name);
          return { app: name, ...(await deps.backups.list(device.id, device.name, name, signal)) };
        }),
      );
      return {
        backups: lists.flatMap(({ app, backups }) => backups.map((backup) => ({ ...backup, app }))),
        strange: lists.flatMap(({ app, strange }) => strange.map((one) => ({ ...one, app }))),
      };
    },
    async cancel(id, who) {
      const wanted = id ?? (await oneToCancel());
      const row = await findUpdate(db, wanted);
      if (!row) throw new FettleError('unknown_update', { data: { id: wanted } });
      return { id: wanted, app: row.app, ...(await engine.cancel(wanted, who)) };
    },
    async insist(id, on, asker) {
      const row = await findUpdate(db, id);
      if (!row) throw new FettleError('unknown_update', { data: { id } });
      return { id, app: row.app, ...(await engine.insist(id, on, asker)) };
    },
    later: (app, version) => deps.notices.later(appOf(app).name, version),
    updates: {
      active: async (app) => views(await activeUpdates(db, { app })),
      history: async (app, limit) => views(await endedUpdates(db, app, limit)),
      async find(id) {
        const row = await findUpdate(db, id);
        return row && (await views([row]))[0];
      },
    },
    async devices() {
      const devices = await listDevices(db);
      return devices.map((device) => ({
        id: device.id,
        name: device.name,
        connected: device.connected === 1,
        lastSeenAt: device.last_seen_at,
        apps: device.apps,
      }));
    },
    adapters: () =>
      deps.adapters.map((adapter) => ({
        platform: adapter.platform,
        own: adapter.adminChat !== undefined,
        ...adapter.connection(),
      })),
    lostAnswers: (platform) => lostAnswers(db, platform, deps.clock.now() - LOST_MS),
    async readLog(of, signal) {
      if ('update' in of) return logOfUpdate(db, of.update, of.lines);
      const app = appOf(of.app);
      const device = deviceOf(await listDevices(db), app.name);
      return deps.logs.read(device.id, device.name, app.name, of.lines, signal);
    },
  };
}

function deviceOf(devices: readonly DeviceWithApps[], app: string): DeviceWithApps {
  const device = devices.find((d) => d.apps.some((report) => report.app === app)) ?? devices[0];
  if (!device) throw new FettleError('device_offline', { data: { device: 'this machine' }, retryable: true });
  return device;
}

/** What happened, in order, with times: from the store, so that it is there when the device is not. */
async function logOfUpdate(db: Kysely<Database>, id: string, lines: number): Promise<string> {
  const row = await findUpdate(db, id);
  if (!row) throw new FettleError('unknown_update', { data: { id } });
  const events = await eventsOf(db, id);
  const told = events.map((event) => {
    const problem = event.data === null ? '' : `  ${event.data}`;
    return `${new Date(event.at).toISOString()}  ${event.to_state}  (${event.actor})${problem}`;
  });
  const { outcome } = viewOf(row, row.device);
  if (outcome?.problem) told.push(`problem: ${outcome.problem.code} ${JSON.stringify(outcome.problem.data)}`);
  return told.slice(-lines).join('\n');
}
