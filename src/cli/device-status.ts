import { join } from 'node:path';
import { readBackups } from '../../agent/backup/manifest.ts';
import { readCrashes } from '../../agent/crashes.ts';
import { look } from '../../agent/health/probe.ts';
import { createStartLogs } from '../../agent/health/start-log.ts';
import { subjectOf } from '../../agent/health/subject.ts';
import { openInstallation } from '../../agent/install/index.ts';
import type { JournalEntry } from '../../agent/journal.ts';
import { createKeeperClient } from '../../agent/keeper/client.ts';
import { pidsOf as pidsOfStart } from '../../agent/keeper/processes.ts';
import type { KeptApp } from '../../agent/keeper/protocol.ts';
import { findByStartId } from '../../agent/keeper/scan.ts';
import { pidsOf } from '../../agent/rescue/charge.ts';
import { checksFor } from '../../agent/rescue/checks.ts';
import type { RestartDriver } from '../../agent/restart/contract.ts';
import { restartDrivers } from '../../agent/restart/index.ts';
import { commandsIn } from '../../agent/restart/surroundings.ts';
import { openBlocked } from '../../agent/updater/blocked.ts';
import type { AppConfig } from '../../config/agent-schema.ts';
import { AppSchema } from '../../config/agent-schema.ts';
import { CHAT_PLATFORMS } from '../../config/chat-secrets.ts';
import { isSelf } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { isFinal } from '../domain/update.ts';
import type { Outcome } from '../protocol/messages.ts';
import type { Facts } from './doctor/contract.ts';
import { hubOf } from './enrolled.ts';

/** How an app of this device is, as can be told without a hub, an agent or a keeper. */
export interface AppStatus {
  readonly app: string;
  readonly version?: string | undefined;
  readonly lastGood?: string | undefined;
  readonly health: 'healthy' | 'ill' | 'stopped' | 'unknown';
  /** Why it is ill, or nothing is known. */
  readonly reason?: string | undefined;
  readonly pid?: number | undefined;
  readonly address?: string | undefined;
  readonly crashing?: { readonly since: number; readonly times: number } | undefined;
  readonly update?:
    | { readonly id: string; readonly kind: string; readonly state: string; readonly since: number }
    | undefined;
  readonly last?: Outcome | undefined;
  readonly backups: { readonly count: number; readonly newest?: number | undefined; readonly strange: number };
  readonly blocked: readonly string[];
}

export interface DeviceStatus {
  readonly home: string;
  readonly keeper: boolean;
  readonly agent: boolean;
  readonly hub: boolean;
  /** Where the hub is, as `HOST:PORT`, of a device whose hub is elsewhere. */
  readonly hubAt?: string | undefined;
  /** The configured chats, as the hub that runs says. */
  readonly chats: NonNullable<NonNullable<Facts['hub']>['chats']>;
  /** There are chats, and none of their people is an admin. */
  readonly unclaimed?: boolean | undefined;
  readonly apps: readonly AppStatus[];
  readonly problems: readonly string[];
}

/** One look at an app; one that takes longer is an answer, too. */
const LOOK_MS = 2_000;

/** Changes nothing, and waits for nobody longer than a few seconds. @throws {FettleError} `unknown_app {app, known}` */
export async function deviceStatus(facts: Facts, wanted: string | undefined): Promise<DeviceStatus> {
  const { layout, journal, keeper, hub } = facts;
  if (wanted !== undefined && !facts.apps.includes(wanted)) {
    throw new FettleError('unknown_app', { data: { app: wanted, known: [...facts.apps] } });
  }
  const apps = facts.apps.filter((app) => (wanted === undefined ? !isSelf(app) : app === wanted));
  const agent = pidsOf(layout, 'agent').length > 0;
  return {
    home: layout.home,
    keeper: keeper !== undefined,
    agent,
    hub: hub !== undefined,
    hubAt: hubOf(layout),
    chats: hub?.chats ?? [],
    ...(hub?.unclaimed ? { unclaimed: true } : {}),
    apps: await Promise.all(apps.map((app) => statusOf(facts, app))),
    problems: [
      ...(facts.exists ? [] : [`there is no home at ${layout.home}`]),
      ...facts.configProblems,
      ...(facts.keptBroken ? [`keeper/keep.json: ${facts.keptBroken}`] : []),
      ...journal.unreadable.map((id) => `the journal of ${id} can't be read`),
      ...(keeper || !facts.exists ? [] : ['no keeper: nobody watches the apps. `fettle up --detach` starts it']),
      ...(keeper && !agent ? ['no agent: updates do not go on'] : []),
      ...unreadChats(facts).map((name) => `the hub has not read yet that ${name} is set up: /update restart hub`),
    ],
  };
}

async function statusOf(facts: Facts, app: string): Promise<AppStatus> {
  const { layout, journal, config: file, kept } = facts;
  const configured = file && Object.hasOwn(file.apps, app) ? file.apps[app] : undefined;
  const config = configured ?? AppSchema.parse({ run: 'unknown' });
  const folder = layout.app(app);
  const slots = openInstallation(folder, configured);
  const current = slots.current();
  const record = current === undefined ? undefined : slots.record(current);
  const lastGood = slots.lastGood();
  const entries = journal.list().filter((entry) => entry.order.app === app);
  const under = entries.findLast(({ state }) => !isFinal(state));
  const found = readBackups(folder.backups, app);
  return {
    app,
    version: record?.version,
    lastGood: lastGood === undefined || lastGood === current ? undefined : slots.record(lastGood)?.version,
    ...(await healthOf({ facts, app, config, current, record: kept.get(app) !== undefined })),
    address: configured?.healthy.http === undefined ? undefined : new URL(configured.healthy.http).origin,
    crashing: readCrashes(layout.agent.crashes).looping(app),
    update: under && aboutUpdate(under),
    last: entries.findLast(({ state, outcome }) => isFinal(state) && outcome)?.outcome ?? undefined,
    backups: { count: found.backups.length, newest: found.backups.at(-1)?.at, strange: found.strange.length },
    blocked: openBlocked(join(layout.agent.dir, 'blocked.json')).versions(app),
  };
}

/** Of a hub that runs and was set up further since. */
function unreadChats({ config, hub }: Facts): string[] {
  return CHAT_PLATFORMS.filter(
    (name) => config?.chats[name] !== undefined && hub?.chats?.every(({ platform }) => platform !== name),
  );
}

function aboutUpdate({ order, state, enteredAt }: JournalEntry) {
  return { id: order.update, kind: order.kind, state, since: enteredAt };
}

async function healthOf(of: {
  readonly facts: Facts;
  readonly app: string;
  readonly config: AppConfig;
  readonly current: string | undefined;
  readonly record: boolean;
}): Promise<Pick<AppStatus, 'health' | 'reason' | 'pid'>> {
  const { facts, app, config, current } = of;
  const { layout } = facts;
  if (current === undefined) return { health: 'stopped', reason: 'it is not installed' };
  const client = createKeeperClient(layout.runtime.keeperSocket);
  try {
    const driver = await driverOf(facts, client, app, config);
    const running = (await driver.status(app))?.running;
    if (!running) return { health: 'stopped', reason: 'it does not run' };
    const { pid, startId } = running;
    const slots = openInstallation(layout.app(app), config);
    const surroundings = { node: process.execPath, basicEnvironment: facts.environment.basic };
    const around = { commands: commandsIn(surroundings), startLogs: createStartLogs(), logOf: layout.appLog };
    const subject = subjectOf({ app, config, driver, slots, slot: current, startId, around });
    const limit = AbortSignal.timeout(Math.min(LOOK_MS, config.healthy.timeout));
    const answer = await look(checksFor(app, layout), subject, config.healthy, limit);
    return answer.good ? { health: 'healthy', pid } : { health: 'ill', reason: answer.reason, pid };
  } catch (error) {
    return { health: 'unknown', reason: (error as Error).message };
  } finally {
    client.close();
  }
}

/** Where no keeper answers, what it wrote down last and what lives say what runs. */
async function driverOf(
  { layout, keeper, kept, environment }: Facts,
  client: ReturnType<typeof createKeeperClient>,
  app: string,
  config: AppConfig,
): Promise<Pick<RestartDriver, 'status' | 'pids'>> {
  const { kind } = config.restart;
  if (keeper || (kind !== 'kept' && kind !== 'signal')) {
    return restartDrivers({ keeper: client, layout, node: process.execPath, basicEnvironment: environment.basic }).of(
      app,
      config,
    );
  }
  return {
    pids: async (_app, startId) => pidsOfStart(startId),
    async status(): Promise<KeptApp | undefined> {
      const record = kept.get(app);
      const [first] = record?.startId ? findByStartId(record.startId) : [];
      if (!record) return undefined;
      const { desired, crashes, lastExit, fellBack, startId, started } = record;
      const slot = started?.slot ?? '';
      const running = first && startId ? { startId, pid: first.pid, slot, at: started?.at ?? 0 } : null;
      return { desired, running, hold: null, crashes, lastExit, fellBack };
    },
  };
}
