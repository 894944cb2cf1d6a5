import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createAdapters } from '../../adapters/index.ts';
import { discreetMessage } from '../../agent/discreet.ts';
import { createKeeperClient } from '../../agent/keeper/client.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import type { HomeLayout } from '../../config/home.ts';
import { loadConfig } from '../../config/load.ts';
import { settingsCatalogue, settingsOfFile } from '../../config/settings-schema.ts';
import { createOutbox } from '../chat/outbox.ts';
import { createRouter } from '../chat/router.ts';
import { COMMANDS, createCommandTable } from '../commands/index.ts';
import { createRefusedConnections } from '../devices/refused.ts';
import { FettleError } from '../domain/errors.ts';
import { createLogLines } from '../domain/log-lines.ts';
import { createRedactor } from '../domain/redact.ts';
import { makeFolder, readTrimmed, writeDurably } from '../files/durable.ts';
import { createBackupReader } from '../gateway/backup-reader.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import { createLogReader } from '../gateway/log-reader.ts';
import { createPolicyOffers } from '../gateway/policies.ts';
import { createRotationFile } from '../origin/rotation-file.ts';
import { createPeople } from '../people/people.ts';
import { openKey } from '../protocol/key.ts';
import { createReleaseChecker, createReleaseSources, createSeenInStore } from '../releases/index.ts';
import { createAnnouncer } from '../rollout/announce.ts';
import { createApprovals } from '../rollout/approvals.ts';
import { createChoices } from '../rollout/choices.ts';
import { createConnections } from '../rollout/connections.ts';
import { createDeviceAudit } from '../rollout/device-audit.ts';
import { createDeviceSettings } from '../rollout/device-settings.ts';
import { createEngine } from '../rollout/engine.ts';
import { createRequests } from '../rollout/requests.ts';
import { createServices } from '../rollout/services.ts';
import { createSettings } from '../rollout/settings.ts';
import { createTelling } from '../rollout/telling.ts';
import { createToolDesk } from '../rollout/tools.ts';
import { rememberAdminChat } from '../store/admin-chats.ts';
import { listDevices } from '../store/devices.ts';
import { openStore } from '../store/open.ts';
import { activeUpdates } from '../store/updates.ts';
import type { RoleOptions } from './agent.ts';
import { chatPlatforms, chatSecrets } from './chat-platforms.ts';
import { guardConsole } from './console.ts';
import { endOnCrash } from './crash.ts';
import { discreet } from './discreet.ts';
import { createDiscretion, writeLog } from './discretion.ts';
import { enrolHandler } from './enroll/routes.ts';
import { gitTools } from './git-tools.ts';
import { createHandsOffParts } from './hands-off.ts';
import { requestedApps, selfApps } from './hub-apps.ts';
import { createHubDevices, lazyBundles, named } from './hub-devices.ts';
import { createHubListener, healthHandler } from './hub-http.ts';
import { hubStatus } from './hub-status.ts';
import { machineClock as clock, npmTools } from './npm-tools.ts';
import { createReadiness } from './readiness.ts';
import { untilTold } from './signals.ts';
import { VERSION } from './version.ts';

/** A message that is being sent when the hub is to end has so long. Milliseconds. */
const SENT_MS = 3_000;

/** Wires the hub and runs it until SIGTERM. Everything that it says of itself goes to standard error: its log. */
export async function startHub({ layout, environment, config }: RoleOptions): Promise<void> {
  makeFolder(layout.hub.dir);
  const lock = takeLock(layout.hub.lock);
  const loaded = loadConfig(config ?? layout.config).config;
  const platforms = chatPlatforms(loaded.chats, config ?? layout.config, environment.all);
  const configFile = config ?? layout.config;
  const known = { layout, configFile, userHome: environment.userHome, variables: environment.all };
  const { redact } = createDiscretion(known, { secrets: chatSecrets(platforms, environment.all), keepEnrolment: true });
  const inLog = createRedactor();
  const { line: logLine, event: logEvent } = createLogLines({
    redact: (text) => inLog(redact(text)),
    write: writeLog,
    now: clock.now,
  });
  endOnCrash(process, logLine);
  guardConsole(redact);
  const random = (length: number) => randomBytes(length);
  const told = untilTold();

  const store = await openStore(layout.hub.db);
  const { db } = store;
  for (const name of store.applied) logLine(`migration ${name} applied`);
  const tools = npmTools(environment, layout.hub.dir);
  const sources = createReleaseSources({
    npm: tools.origin,
    git: gitTools(environment, layout.hub.git),
    seen: createSeenInStore(db),
    rotations: createRotationFile(layout.hub.rotations),
    fetch: globalThis.fetch,
    githubToken: environment.githubToken,
    clock,
  });
  const checker = createReleaseChecker({ db, sources, clock });

  const randomNumber = () => randomInt(1_000_000) / 1_000_000;
  const opened = await createAdapters({
    socket: layout.runtime.hubSocket,
    status: () =>
      hubStatus({
        ...{ db, clock, redact, requests, people },
        language: () => settings.current().language,
        adapters: services.adapters,
        withChats: Object.keys(platforms).length > 0,
      }),
    platforms,
    commands: COMMANDS,
    clock,
    random: randomNumber,
    log: logEvent,
    environment: environment.all,
  });
  const adapters = opened.map((adapter) => discreet(adapter, redact));
  const outbox = createOutbox({
    ...{ db, clock, adapters, redact },
    random: randomNumber,
    log: logEvent,
    onLost: (trx, lost) => telling.lost(trx, lost),
  });
  const apps = [...requestedApps(loaded), ...selfApps(loaded)];
  const settings = await createSettings({
    db,
    clock,
    catalogue: settingsCatalogue(apps.map(({ name }) => name)),
    file: settingsOfFile(loaded),
    log: logLine,
  });
  const choices = createChoices({ db, clock, checker, apps });
  const announcer = createAnnouncer({ outbox, settings, platforms: adapters.map(({ platform }) => platform) });
  const people = createPeople({ db, clock, random, announcer, outbox, onChanged: () => void engine.dispatch() });
  const telling = createTelling({ outbox, announcer, roleOf: people.roleOf });

  let gateway: Gateway | undefined;
  const reachable = () => gateway ?? { send: () => false, isConnected: () => false };
  const backups = createBackupReader(reachable, random);
  const deviceSettings = createDeviceSettings({ gateway: reachable, settings });
  const deviceAudit = createDeviceAudit({ db, clock, announcer, outbox, gateway: reachable, log: logLine });
  const engine = createEngine({
    db,
    clock,
    random,
    outbox,
    telling,
    announcer,
    gateway: reachable,
    settings,
    sourceOf: (name) => apps.find((app) => app.name === name)?.source,
    mayAsk: people.isOperator,
    onMissing: (device, report) => requests.installMissing(device, report),
    onChange: () => handsOff.soon(),
    log: logLine,
  });
  const requests = createRequests({
    db,
    clock,
    checker,
    engine: () => engine,
    backups,
    apps,
    choices,
    mayAsk: people.isOperator,
    language: () => settings.current().language,
    log: logLine,
  });
  const { notices, handsOff, schedule } = createHandsOffParts({
    db,
    clock,
    random,
    checker,
    apps,
    settings,
    engine,
    announcer,
    telling,
    outbox,
    isAsked: (app) => requests.isAsked(app),
    log: logLine,
  });
  const approvals = createApprovals({
    ...{ db, clock, checker, apps, telling, outbox, engine },
    onChange: () => handsOff.soon(),
  });
  const logs = createLogReader(reachable, random);
  const fleet = createHubDevices({
    ...{ db, clock, random, announcer, outbox, layout, log: logLine },
    ...{ listener: () => listener, gateway: () => gateway, engine: () => engine },
  });
  const refusals = createRefusedConnections({ db, clock, nameOf: fleet.nameOf, log: logLine });
  const policies = createPolicyOffers({ db, clock, folder: layout.hub.policies, gateway: reachable, log: logLine });
  const toolDesk = createToolDesk({ db, clock, gateway: reachable, outbox, log: logLine });
  const services = createServices({
    db,
    clock,
    checker,
    engine,
    requests,
    notices,
    logs,
    backups,
    apps,
    settings,
    choices,
    people,
    approvals,
    fleet,
    tools: toolDesk,
    version: VERSION,
    adapters,
  });
  const connections = createConnections({ db, clock, adapters, announcer, outbox, log: logEvent });
  const router = createRouter({
    db,
    clock,
    commands: createCommandTable({ commands: COMMANDS, services, phrases: loaded.phrases }),
    outbox,
    roleOf: people.roleOf,
    personOf: people.personOf,
    onSpoken: people.spoke,
    claimed: people.claimed,
    language: () => settings.current().language,
    // The person at the machine itself is held up by nothing.
    rateOf: (platform) => (platform === 'terminal' ? undefined : loaded.chats.rate),
    onAdmin: people.adminSpoke,
    onAnswered: () => handsOff.soon(),
    onConnection: connections.changed,
    onSilence: (route) => {
      const adapter = adapters.find(({ platform }) => platform === route.platform);
      adapter?.dismiss?.(route).catch((error: unknown) => logEvent('chat_not_dismissed', { error: String(error) }));
    },
    redact,
    log: logEvent,
  });

  const readiness = createReadiness({ db, adapters, clock });
  const handlers = [
    healthHandler(() => readiness.waitingFor()),
    enrolHandler({
      devices: fleet,
      bundles: lazyBundles(layout, tools),
      reach: () => listener.reach(),
      monotonic: clock.monotonic,
      log: logLine,
    }),
  ];
  const listener = await createHubListener({
    ...{ layout, handlers, hub: loaded.hub, configFile: config ?? layout.config, log: logLine },
    path: environment.basic.PATH ?? '',
  });
  const hubId = readId(`${layout.hub.dir}/id`);
  gateway = createGateway({
    servers: listener.servers,
    key: openKey(layout.hub.key),
    hub: { id: hubId, version: VERSION },
    deviceKey: fleet.deviceKey,
    clock,
    random,
    log: logLine,
    events: {
      async connected(peer) {
        const state = await fleet.seen(peer);
        return state === 'active' ? engine.connected(named(fleet, peer)) : state;
      },
      ready(peer) {
        deviceSettings.connected(peer.device);
        toolDesk.connected(peer.device);
        void policies.connected({ ...named(fleet, peer), host: peer.name });
      },
      refused: (device, why, from) => refusals.refused({ device, why, from }),
      disconnected: (peer, epoch, why) => engine.disconnected(peer, epoch, why),
      async message(peer, epoch, told) {
        const message = discreetMessage(told, redact);
        if (message.type === 'log') logs.answer(peer.device, message);
        else if (message.type === 'backups') backups.answer(peer.device, message);
        else if (message.type === 'audit') await deviceAudit.received(named(fleet, peer), message);
        else if (message.type === 'policy-result') await policies.answer(named(fleet, peer), message);
        else if (message.type === 'tool-result') await toolDesk.answer(named(fleet, peer), message.result);
        else {
          if (message.type === 'inventory') await toolDesk.told(named(fleet, peer), message.tools ?? []);
          await engine.received(named(fleet, peer), epoch, message);
        }
      },
    },
  });
  await fleet.start();
  const port = await listener.listen(environment.port, loaded.hub.port);
  for (const { adminChat } of adapters)
    if (adminChat) await rememberAdminChat(db, { route: adminChat, language: undefined, at: clock.now() });
  await engine.start();
  policies.start();
  outbox.start();
  await router.start();
  await Promise.all(adapters.map((adapter) => adapter.start(router.sink(adapter.platform))));
  await readiness.start();
  await connections.start();
  await handsOff.start();
  schedule.start();
  logLine(`hub ${VERSION} listens on 127.0.0.1:${port}`);
  await commitStart(layout);

  await new Promise<void>((resolve) =>
    told.aborted ? resolve() : told.addEventListener('abort', () => resolve(), { once: true }),
  );
  await readiness.stop();
  await connections.stop();
  // What is on its way arrives; what is cut off would have to be looked for at the next start.
  await Promise.race([outbox.stop(), delay(SENT_MS, undefined, { ref: false })]);
  await Promise.all(adapters.map((adapter) => adapter.stop()));
  await router.stop();
  deviceSettings.stop();
  policies.stop();
  await schedule.stop();
  await handsOff.stop();
  await engine.stop();
  await gateway.stop();
  await outbox.stop();
  listener.close();
  await store.close();
  lock.release();
}

/**
 * It serves: the keeper need not go back to an older build. Without a keeper (alone, in a container) nobody counts; of a
 * hub with a user of its own the agent says so.
 */
async function commitStart(layout: HomeLayout): Promise<void> {
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  await keeper.ask('commit', { app: 'hub' }, { timeoutMs: 1_000 }).catch(() => undefined);
  keeper.close();
}

/**
 * `fettle hub --rehearse --db COPY`: can this build start on what a hub here finds? Opens no chat, answers nobody, and
 * writes to that copy of the database alone.
 */
export async function rehearseHub({ layout, config }: RoleOptions, db: string | undefined): Promise<void> {
  if (db === undefined) throw new FettleError('bad_arguments', { data: { reason: '--rehearse needs --db COPY' } });
  const loaded = loadConfig(config ?? layout.config).config;
  createCommandTable({ commands: COMMANDS, services: undefined as never, phrases: loaded.phrases });
  requestedApps(loaded);
  const store = await openStore(db);
  await listDevices(store.db);
  await activeUpdates(store.db);
  await store.close();
  console.log(`rehearsed ${VERSION}`);
}

function readId(file: string): string {
  const known = readTrimmed(file);
  if (known) return known;
  const id = `h-${randomUUID()}`;
  writeDurably(file, `${id}\n`);
  return id;
}
