import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentConfig } from '../config/agent-schema.ts';
import type { HomeLayout } from '../config/home.ts';
import type { Clock } from '../src/domain/id.ts';
import type { Redact } from '../src/domain/redact.ts';
import { openKey } from '../src/protocol/key.ts';
import type { AgentMessage, HubMessage } from '../src/protocol/messages.ts';
import type { Acquirer } from './acquire/index.ts';
import { createAnswers } from './answers.ts';
import { joinedFile } from './audit/files.ts';
import { createDeviceAudit } from './audit/index.ts';
import { saidBy } from './audit/said.ts';
import { lookForCrashes, openCrashes } from './crashes.ts';
import { readDeviceId } from './device-id.ts';
import { discreetJournal, discreetMessage } from './discreet.ts';
import { HEALTH_CHECKS } from './health/index.ts';
import { createStartLogs } from './health/start-log.ts';
import { createHeldReports } from './held-reports.ts';
import { isHubHere, machineOf, readHubIdentity } from './hub-identity.ts';
import type { Journal } from './journal.ts';
import { createKeeperClient } from './keeper/client.ts';
import { createLink, type SaidByHub } from './link.ts';
import { createLocalInbox } from './local/inbox.ts';
import { createOnDemand } from './on-demand.ts';
import { createPolicy } from './policy.ts';
import { endLeftovers } from './rehearsal/leftovers.ts';
import { restartDrivers, withoutKeeper } from './restart/index.ts';
import { commandsIn } from './restart/surroundings.ts';
import { createSelf } from './self/index.ts';
import { keptRestart, loneRestart } from './self/restart.ts';
import { openSettings } from './settings.ts';
import { toolReports } from './tools/report.ts';
import { createBallast } from './updater/ballast.ts';
import { openBlocked } from './updater/blocked.ts';
import { createBound } from './updater/bound.ts';
import { createGate } from './updater/gate.ts';
import { problemOf } from './updater/task.ts';
import { createUpdates } from './updates.ts';

export interface AgentOptions {
  readonly layout: HomeLayout;
  readonly config: AgentConfig;
  /** The file that it is from, where that is not the home's own. */
  readonly configFile?: string | undefined;
  /** The device's own agent.yaml, where it has one: a signed policy may replace it. */
  readonly policyFile?: string | undefined;
  /** Reads such a file's text. @throws with a reason */
  readonly parsePolicy?: ((text: string, file: string) => AgentConfig) | undefined;
  readonly version: string;
  /** Node that runs packages, and this agent. */
  readonly node: string;
  /** The program that this process was started with. */
  readonly program: string | undefined;
  /** Was this agent started by a keeper, which starts it again? */
  readonly kept: boolean;
  readonly acquirer: Acquirer;
  readonly journal: Journal;
  readonly basicEnvironment: Readonly<Record<string, string>>;
  /** Hides every secret of the device, of whichever app. */
  readonly redact: Redact;
  /** Which HTTP proxy leads to the hub's address, if one does. */
  readonly proxy?: ((address: string) => string | undefined) | undefined;
  readonly clock: Clock;
  /** How often crashes are looked for, where that is not the usual. */
  readonly crashLookMs?: number | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What runs is told this often even where nothing changed. */
const INVENTORY_MS = 30_000;
/** An app is restarted after a second at the earliest, after a minute at the latest. */
const CRASH_LOOK_MS = 10_000;
const DAY_MS = 24 * 60 * 60_000;

/** How an agent ended: it was told to; or, without a keeper, it is to go on as what `current` names. */
export type AgentEnd = 'told' | 'become-current';

/** The agent: takes orders, carries them out as its own file allows, and tells what came of them. Ends with `signal`. */
export async function runAgent(options: AgentOptions): Promise<AgentEnd> {
  const { layout, config, clock, log, signal } = options;
  const device = readDeviceId(layout);
  const platform = `${process.platform}-${process.arch}`;
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  const replaced = Promise.withResolvers<AgentEnd>();
  const thereIsKeeper = options.kept || existsSync(layout.runtime.keeperSocket);
  if (!thereIsKeeper) log('there is no keeper here: this agent can update itself, and start nothing else');
  const surroundings = { node: options.node, basicEnvironment: options.basicEnvironment };
  const drivers = restartDrivers({ keeper, layout, ...surroundings });
  const self = createSelf({
    layout,
    config: config.fettle,
    configFile: options.configFile,
    version: options.version,
    node: options.node,
    program: options.program,
    basicEnvironment: options.basicEnvironment,
    restart: options.kept
      ? keptRestart(keeper, log)
      : loneRestart(layout.agent.proving, () => replaced.resolve('become-current')),
    kept: thereIsKeeper ? drivers.kept : undefined,
    connectedTo: () => link.hub(),
    reconnect: () => link.hurry(),
    redact: options.redact,
    log,
  });
  const policy = createPolicy(config, self.apps, device, layout.agent.orders, clock.monotonic, () =>
    isHubHere(layout, config.allowInsecure),
  );
  const settings = openSettings(join(layout.agent.dir, 'settings.json'));
  const reports = new Map<string, { seq: number; extra: number }>();
  const held = createHeldReports<AgentMessage>((message) => link.send(message));
  let recovered = false;

  // What one app prints may be another one's secret.
  const redactFor = (_app: string, text: string) => options.redact(text);

  const redact = (text: string) => redactFor('agent', text);
  const audit = createDeviceAudit({ layout, device, clock, redact, log, send: (message) => link.send(message) });
  const crashes = openCrashes(layout.agent.crashes, log);
  const updates = createUpdates({
    layout,
    policy,
    drivers: thereIsKeeper ? drivers : withoutKeeper(drivers),
    self,
    gate: createGate(),
    around: { commands: commandsIn(surroundings), startLogs: createStartLogs(), logOf: layout.appLog },
    bound: createBound(config.updates.atOnce),
    clock,
    log,
    journal: discreetJournal(options.journal, options.redact),
    checks: HEALTH_CHECKS,
    acquirer: options.acquirer,
    blocked: openBlocked(join(layout.agent.dir, 'blocked.json')),
    ballast: createBallast(join(layout.agent.dir, 'ballast')),
    freeSpace: (folder) => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
    redact: redactFor,
    environment: options.basicEnvironment,
    // The hub may ask for more; the device's own file says what is the least.
    retentionDays: () => Math.max(settings.retentionDays, config.updates.keepBackups / DAY_MS),
    onReport(entry, progress, note) {
      const last = reports.get(entry.order.update);
      const extra = last?.seq === entry.seq ? last.extra + 1 : 0;
      // More than 999 reports in one state would run into the next write's number: the rest is not worth telling.
      if (extra > 999) return;
      reports.set(entry.order.update, { seq: entry.seq, extra });
      held.send(
        {
          type: 'report',
          update: entry.order.update,
          seq: entry.seq + extra,
          state: entry.state,
          at: clock.now(),
          ...(progress ? { progress } : {}),
          ...(note ? { note } : {}),
        },
        entry.state,
        // What is told of the agent itself would be lost with it: nobody comes back for it.
        progress !== undefined || note !== undefined || entry.order.app === 'agent',
      );
    },
    crashes,
    onOutcome: (message) => {
      audit.orders.done(message);
      held.flush();
      link.send(message);
    },
    onChange: () => sendInventory(),
  });

  const wire = createLink({
    hub: () => readHubIdentity(layout, config.allowInsecure),
    proxy: options.proxy,
    key: openKey(layout.agent.key),
    device: { id: device, name: deviceName(), platform, version: options.version, machine: machineOf(layout.home) },
    clock,
    random: (length) => randomBytes(length),
    onConnected: () => {
      // Outcomes before what runs: the hub must not take an update for lost whose end it is about to hear.
      for (const message of updates.outcomes()) link.send(message);
      updates.tell();
      for (const result of tools.results()) link.send({ type: 'tool-result', result });
      audit.telling.connected();
      void sendInventory();
      if (layout.hub.user !== undefined) void commitHub();
    },
    // Nothing that a hub says may end the agent: the link logs it. What could not be written down is offered again.
    onMessage: receive,
    log,
  });
  const link = { ...wire, send: (message: AgentMessage) => wire.send(discreetMessage(message, options.redact)) };

  /** A hub with a user of its own can't tell the keeper itself that it serves. */
  async function commitHub(): Promise<void> {
    const pause = (ms: number) => delay(ms, undefined, { signal });
    try {
      const { commitHub: commit } = await import('./self/hub-ready.ts');
      await commit({ keeper, port: layout.hub.port, pause, now: clock.monotonic, signal });
    } catch (error) {
      if (!signal.aborted) log(`the keeper did not hear that the hub serves: ${String(error)}`);
    }
  }

  async function sendInventory(): Promise<void> {
    if (!link.connected()) return;
    try {
      const told = toolReports(config.tools);
      const inventory = { type: 'inventory', apps: await updates.inventory(), recovered } as const;
      link.send(told.length === 0 ? inventory : { ...inventory, tools: told });
    } catch (error) {
      log(`what runs could not be told: ${String(error)}`);
    }
  }

  async function receive(message: HubMessage, hubNow: number, said: SaidByHub): Promise<void> {
    switch (message.type) {
      case 'order': {
        // What a hub sends was not given on this device, whatever it says.
        const { local: _, ...order } = message.order;
        const answer = { type: 'order-ack', order: order.id, update: order.update } as const;
        const sent = { ...said, log: message.log };
        try {
          if (!updates.take(order, hubNow, () => audit.orders.taken(order, sent)))
            audit.orders.refused(order, 'known', sent);
          link.send({ ...answer, accepted: true });
        } catch (error) {
          log(`order ${order.id} for ${order.app} refused: ${String(error)}`);
          const problem = problemOf(error, order.app);
          audit.orders.refused(order, problem.code, sent);
          link.send({ ...answer, accepted: false, problem });
        }
        return;
      }
      case 'cancel': {
        const result = updates.cancel(message.update) ?? { accepted: false, state: 'unknown' };
        if (result.accepted) audit.sparing.note({ what: 'cancel', update: message.update, ...saidBy(said) });
        link.send({ type: 'cancel-result', update: message.update, ...result });
        return;
      }
      case 'force':
      case 'hold': {
        const { type: asked, update } = message;
        const result = insist(update, asked) ?? { accepted: false, state: 'unknown' };
        if (result.accepted) audit.sparing.note({ what: asked, update, ...saidBy(said) });
        link.send({ type: 'lock-answer', update, asked, ...result });
        return;
      }
      case 'outcome-ack':
        updates.acknowledge(message.update);
        return;
      case 'read-log':
        link.send(await answers.log(message));
        return;
      case 'list-backups':
        link.send(answers.backups(message));
        return;
      case 'settings':
        try {
          const { retentionDays: before } = settings;
          if (!settings.setRetention(message.retentionDays)) return;
          const after = message.retentionDays;
          if (after !== before)
            audit.sparing.note({ what: 'setting', setting: 'retentionDays', before, after, ...saidBy(said) });
          updates.pruneBackups();
        } catch (error) {
          log(`the hub's settings could not be kept: ${String(error)}`);
        }
        return;
      case 'run-tool':
        (await tools.open()).take(message, hubNow, { ...said, log: message.log });
        return;
      case 'policy':
        await policies.take(message, hubNow, said);
        return;
      case 'tool-ack':
        (await tools.open()).acknowledge(message.request);
        return;
      case 'audit-ack':
        audit.telling.acknowledged(message);
        return;
      case 'challenge':
      case 'welcome':
      case 'unknown':
        return;
    }
  }

  /** What `fettle enroll` left for the log. */
  async function lookForJoined(): Promise<void> {
    if (!existsSync(joinedFile(layout.agent.dir))) return;
    try {
      const { takeJoined } = await import('./audit/enrolment.ts');
      takeJoined(layout, audit);
    } catch (error) {
      log(`which hub this device was joined to could not be written down yet: ${String(error)}`);
    }
  }

  /** A disk that can't take the word down has not heard it. */
  function insist(update: string, on: 'force' | 'hold') {
    try {
      return updates.insist(update, on);
    } catch (error) {
      log(`${update}: ${on} could not be written down: ${String(error)}`);
      return undefined;
    }
  }

  const answers = createAnswers({ layout, policy, drivers, updates, redact: redactFor });

  const { tools, policies } = createOnDemand({
    options,
    device: { id: device, name: deviceName() },
    audit,
    isBusy: (app) => updates.isBusy(app),
    send: (message) => link.send(message),
    restart: () => self.restart.restart(),
  });

  const local = createLocalInbox({
    folder: layout.agent.local,
    device,
    now: clock.now,
    take(order) {
      try {
        updates.takeLocal(order, () => audit.orders.taken(order));
      } catch (error) {
        audit.orders.refused(order, problemOf(error, order.app).code);
        throw error;
      }
    },
    problemOf,
    log,
  });

  await self.look();
  // Before anything else: a candidate must not run beside what is about to be started.
  await endLeftovers(layout, [...Object.keys(policy.apps), ...Object.keys(self.apps)], log);
  // Recovery comes first and needs no hub: a device without a network still ends up with its apps running.
  await updates.recover();
  audit.orders.catchUp(updates.outcomes());
  recovered = true;
  updates.pruneBackups();
  // Well: recovery is through. Whether the hub can be reached is no reason to go back to an older agent, unless this
  // one is new here: then its own update says so once the hub was reached.
  if (!updates.replacingSelf()) {
    await self.restart.commit().catch((error: unknown) => log(`the keeper did not take the commit: ${String(error)}`));
  }
  await lookForJoined();
  await tools.start();
  link.start();
  local.start();
  if (options.kept && !updates.replacingSelf()) void self.followUp();
  const tick = setInterval(() => {
    local.look();
    void lookForJoined();
    void policies.look();
    void updates.retryStranded().then(() => sendInventory());
  }, INVENTORY_MS);
  const lookAtCrashes = async () => {
    const apps = { apps: policy.apps, drivers, isBusy: updates.isBusy };
    if (await lookForCrashes({ ...apps, watch: crashes, now: clock.now, log })) await sendInventory();
  };
  const crashLook = thereIsKeeper
    ? setInterval(() => void lookAtCrashes(), options.crashLookMs ?? CRASH_LOOK_MS)
    : undefined;
  const prune = setInterval(() => updates.pruneBackups(), DAY_MS);
  log(`agent ${options.version} of ${device} is ready`);
  signal.addEventListener('abort', () => replaced.resolve('told'), { once: true });
  if (signal.aborted) replaced.resolve('told');
  const end = await replaced.promise;
  clearInterval(tick);
  clearInterval(crashLook);
  clearInterval(prune);
  local.stop();
  await tools.stop();
  await updates.stop();
  held.flush();
  link.stop();
  keeper.close();
  return end;
}

function deviceName(): string {
  return hostname().slice(0, 60) || 'device';
}
