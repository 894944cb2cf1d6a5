import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import type { Request } from '../../src/chat/contract.ts';
import { createOutbox } from '../../src/chat/outbox.ts';
import { createRouter, type Router } from '../../src/chat/router.ts';
import { COMMANDS, createCommandTable, type Preferences } from '../../src/commands/index.ts';
import { createDevices } from '../../src/devices/devices.ts';
import type { Approval } from '../../src/domain/approval.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import type { Reply } from '../../src/domain/reply.ts';
import { createPeople, type PeopleOfHub } from '../../src/people/people.ts';
import { createReleaseChecker } from '../../src/releases/index.ts';
import type { ReleaseSource, ReleaseSources } from '../../src/releases/release-source.ts';
import { createAnnouncer } from '../../src/rollout/announce.ts';
import { createApprovals } from '../../src/rollout/approvals.ts';
import { createAutoUpdates } from '../../src/rollout/auto.ts';
import { createChoices } from '../../src/rollout/choices.ts';
import { createEngine, type Engine } from '../../src/rollout/engine.ts';
import { createHandsOff } from '../../src/rollout/hands-off.ts';
import { createNotices } from '../../src/rollout/notices.ts';
import { createRequests } from '../../src/rollout/requests.ts';
import { createServices } from '../../src/rollout/services.ts';
import { createTelling } from '../../src/rollout/telling.ts';
import { rememberAdminChat } from '../../src/store/admin-chats.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { makeCode } from '../../src/store/person-codes.ts';
import { createFakeChat, type FakeChat } from './fake-chat.ts';
import { createSource, type SimulatedSource } from './hands-off-hub.ts';
import { createSettings, type TestSettings } from './settings.ts';
import { createSimulatedDevice, releaseOf, type SimulatedDevice } from './simulated-device.ts';

/**
 * A hub as `src/cli` wires it, with people on three chats: real store, router, commands, outbox and engine. Simulated:
 * time, the chats' platforms, the source and the device.
 */

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface PeopleHub {
  readonly store: OpenStore;
  readonly router: Router;
  readonly engine: Engine;
  readonly people: PeopleOfHub;
  stop(): Promise<void>;
}

export let hub: PeopleHub;
export let chats: Readonly<Record<'telegram' | 'discord' | 'terminal', FakeChat>>;
export let source: SimulatedSource;
export let device: SimulatedDevice;
export let settings: TestSettings;
let folder: string;
/** How long the source takes to answer. */
let latencyMs = 0;
export const slowSource = (ms: number) => {
  latencyMs = ms;
};
let events = 0;
/** As people call themselves: what was said last. */
const names = new Map<string, string>();

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Call it once in a file. Real sockets are not used, so all time is simulated. */
export function usePeopleHub(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
    vi.setSystemTime(Date.parse('2026-06-01T12:00:00Z'));
    folder = mkdtempSync(join(tmpdir(), 'fettle-people-'));
    source = createSource([releaseOf('1.1.0'), releaseOf('1.0.0')]);
    device = createSimulatedDevice({ web: '1.0.0' });
    settings = createSettings();
    names.clear();
    latencyMs = 0;
    chats = {
      telegram: createFakeChat('telegram'),
      discord: createFakeChat('discord'),
      terminal: createFakeChat('terminal'),
    };
  });
  afterEach(async () => {
    await stop();
    vi.useRealTimers();
    rmSync(folder, { recursive: true, force: true });
  });
}

/** Stops the hub; time goes on meanwhile, so that what waits for a timer ends. */
export async function stop(): Promise<void> {
  const stopped = hub.stop();
  await pass(2 * MINUTE);
  await stopped;
}

export async function start(approval: Approval = 'none'): Promise<void> {
  const store = await openStore(join(folder, 'hub.db'));
  const { db } = store;
  const random = (length: number) => randomBytes(length);
  const log = () => undefined;
  const folderSource: ReleaseSource<'folder'> = {
    kind: 'folder',
    async read() {
      source.asked += 1;
      if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
      if (source.down) throw new Error('down');
      return { offer: { releases: source.releases, channels: {} } };
    },
    resolve: async (_, release) => release,
  };
  const checker = createReleaseChecker({ db, sources: { folder: folderSource } as unknown as ReleaseSources, clock });
  const app = { source: { kind: 'folder', path: '/releases' }, channel: 'stable', keep: [], graceMs: 1 } as const;
  const more = { ...app, downgrade: 'any', probe: { forMs: 1, checks: 1 } } as const;
  // `bot` is there only where a test installs it, and needs nobody's word.
  const apps = [{ ...more, name: 'web', approval } as const, { ...more, name: 'bot' } as const];
  const adapters = Object.values(chats);
  const outbox = createOutbox({
    ...{ db, clock, adapters, redact: createRedactor(), random: () => 0, log },
    onLost: (trx, lost) => telling.lost(trx, lost),
  });
  const announcer = createAnnouncer({ outbox, settings, platforms: adapters.map(({ platform }) => platform) });
  const people = createPeople({ db, clock, random, announcer, outbox, onChanged: () => void engine.dispatch() });
  const telling = createTelling({ outbox, announcer, roleOf: people.roleOf });
  const choices = createChoices({ db, clock, checker, apps });
  const engine = createEngine({
    ...{ db, clock, random, outbox, telling, announcer, settings, log },
    gateway: () => device.gateway,
    mayAsk: people.isOperator,
    onMissing: async () => undefined,
    onChange: () => handsOff.soon(),
  });
  const requests = createRequests({
    ...{ db, clock, checker, apps, choices, log },
    engine: () => engine,
    backups: { list: async () => ({ backups: [], strange: [] }) },
    mayAsk: people.isOperator,
    language: () => 'en',
  });
  const isAsked = (name: string) => requests.isAsked(name);
  const parts = { db, clock, checker, apps, settings, announcer, outbox, isAsked, log };
  const notices = createNotices(parts);
  const auto = createAutoUpdates({ ...parts, random, engine, telling, onChange: () => handsOff.soon() });
  const handsOff = createHandsOff({ ...parts, auto, notices });
  const approvals = createApprovals({
    ...{ db, clock, checker, apps, telling, outbox, engine },
    onChange: () => handsOff.soon(),
  });
  const fleet = createDevices({
    ...{ db, clock, announcer, outbox },
    random: (length) => randomBytes(length),
    reach: () => ({ address: 'wss://hub.example:7443/agent', certificate: `sha256/${'A'.repeat(43)}=` }),
    hubKey: () => 'hub key',
    local: () => undefined,
    onBarred: () => undefined,
    onLost: (device, name) => engine.forsake(device, { device: name, why: 'revoked' }),
    log: () => undefined,
  });
  const services = createServices({
    ...{ db, clock, checker, engine, requests, notices, apps, choices, people, approvals, adapters, fleet },
    tools: {
      list: async () => [],
      begun: async () => undefined,
      run: () => Promise.reject(new FettleError('not_allowed')),
    },
    logs: { read: async () => '', answer: () => false },
    backups: { list: async () => ({ backups: [], strange: [] }) },
    settings: settings as unknown as Preferences & TestSettings,
    version: '0.1.0',
  });
  const router = createRouter({
    ...{ db, clock, outbox, log, redact: createRedactor() },
    commands: createCommandTable({ commands: COMMANDS, services }),
    roleOf: people.roleOf,
    personOf: people.personOf,
    onSpoken: people.spoke,
    claimed: people.claimed,
    onAdmin: people.adminSpoke,
    language: () => 'en',
    rateOf: (platform) => (platform === 'terminal' ? undefined : { perMinute: 20, burst: 10 }),
    onAnswered: () => handsOff.soon(),
  });
  await rememberAdminChat(db, {
    route: { platform: 'terminal', chat: 'terminal' },
    language: undefined,
    at: clock.now(),
  });
  await engine.start();
  outbox.start();
  await router.start();
  for (const adapter of adapters) await adapter.start(router.sink(adapter.platform));
  await handsOff.start();
  await device.connect(engine);
  hub = {
    ...{ store, router, engine, people },
    async stop() {
      await device.disconnect();
      await router.stop();
      await handsOff.stop();
      await engine.stop();
      await outbox.stop();
      await store.close();
    },
  };
}

export interface Said {
  /** Of a group; a direct chat of their own unless given. */
  readonly group?: string;
  readonly eventId?: string;
  readonly name?: string;
  readonly locale?: 'en' | 'zh';
}

/** The event of a text that somebody types: `telegram:ann`. */
export function eventOf(who: string, text: string, said: Said = {}): Request {
  const [platform = '', person = ''] = who.split(':');
  events += 1;
  if (said.name !== undefined) names.set(who, said.name);
  const chat = said.group ?? (platform === 'terminal' ? 'terminal' : `dm-${person}`);
  return {
    route: { platform, chat },
    eventId: said.eventId ?? `e-${events}`,
    person,
    personName: names.get(who) ?? person,
    text,
    direct: said.group === undefined,
    ...(said.locale ? { locale: said.locale } : {}),
  };
}

const chatOf = (platform: string) => Object.values(chats).find((chat) => chat.platform === platform);

/** Everything that a chat shows, oldest first. */
export function shownIn(platform: keyof typeof chats, chat?: string): readonly Reply[] {
  return chats[platform].shown
    .filter(({ message }) => chat === undefined || message.route.chat === chat)
    .map(({ message }) => message.reply);
}

/** Types a text, without waiting. */
export async function tell(who: string, text: string, said: Said = {}): Promise<Request> {
  const event = eventOf(who, text, said);
  await hub.router.sink(event.route.platform).accept(event);
  return event;
}

/** What answers an event last: the final answer, or with `any` whatever there is. */
export function answerTo(event: Request, any = false): Reply | undefined {
  const all = chatOf(event.route.platform)?.shown ?? [];
  return all.findLast(({ message }) => message.answers === event.eventId && (any || message.final))?.message.reply;
}

/** How many messages answer an event finally. */
export function finals(event: Request): number {
  const all = chatOf(event.route.platform)?.shown ?? [];
  return all.filter(({ message }) => message.answers === event.eventId && message.final).length;
}

/** Types a text and answers the final reply, or the first one there is where it takes longer. */
export async function ask(who: string, text: string, said: Said = {}): Promise<Reply> {
  const event = await tell(who, text, said);
  for (let i = 0; i < 200; i += 1) {
    await pass(25);
    const reply = answerTo(event) ?? (i > 40 ? answerTo(event, true) : undefined);
    if (reply) return reply;
  }
  throw new Error(`no answer to ${text} of ${who}`);
}

/** What `fettle claim` prints. */
export async function claimCode(): Promise<string> {
  const options = { random: (length: number) => randomBytes(length), now: clock.now() };
  return (await makeCode(hub.store.db, { kind: 'claim' }, options)).code;
}

/** Makes somebody the first admin, or one more. */
export async function claim(who: string, name?: string): Promise<Reply> {
  return ask(who, `/admin claim ${await claimCode()}`, name === undefined ? {} : { name });
}

/** Changes, as the audit log has them: without the commands that made them, and without what became of updates. */
export const audit = async () =>
  (await hub.store.db.selectFrom('audit').selectAll().orderBy('seq').execute()).filter(
    ({ action }) => !['command', 'update', 'update-end', 'order', 'order-unanswered'].includes(action),
  );
export const updates = () => hub.store.db.selectFrom('updates').selectAll().orderBy('requested_at').execute();
