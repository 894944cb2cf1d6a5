import { randomBytes } from 'node:crypto';
import { createOutbox } from '../../src/chat/outbox.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import type { Release } from '../../src/domain/release.ts';
import { createReleaseChecker, type ReleaseChecker } from '../../src/releases/index.ts';
import type { ReleaseSource, ReleaseSources } from '../../src/releases/release-source.ts';
import { createAnnouncer } from '../../src/rollout/announce.ts';
import { createAutoUpdates } from '../../src/rollout/auto.ts';
import { createChoices } from '../../src/rollout/choices.ts';
import { createEngine, type Engine } from '../../src/rollout/engine.ts';
import { createHandsOff, type HandsOff } from '../../src/rollout/hands-off.ts';
import { createNotices, type Notices } from '../../src/rollout/notices.ts';
import { createRequests, type RequestedApp, type Requests } from '../../src/rollout/requests.ts';
import { createSchedule } from '../../src/rollout/schedule.ts';
import { createTelling } from '../../src/rollout/telling.ts';
import { rememberAdminChat } from '../../src/store/admin-chats.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { putMessage } from '../../src/store/outbox.ts';
import type { FakeChat } from './fake-chat.ts';
import type { TestSettings } from './settings.ts';
import type { SimulatedDevice } from './simulated-device.ts';

/** A hub's hands-off parts as `src/cli` wires them, on a real store; sources and the device are simulated. */

/** What a source offers, and how asking it goes. */
export interface SimulatedSource {
  releases: Release[];
  pointer: string | undefined;
  expiresAt: number | undefined;
  down: boolean;
  /** How often it was asked. */
  asked: number;
}

export const createSource = (releases: readonly Release[] = []): SimulatedSource => ({
  releases: [...releases],
  pointer: undefined,
  expiresAt: undefined,
  down: false,
  asked: 0,
});

export interface HandsOffHub {
  readonly store: OpenStore;
  readonly checker: ReleaseChecker;
  readonly engine: Engine;
  readonly requests: Requests;
  readonly notices: Notices;
  readonly handsOff: HandsOff;
  readonly log: readonly string[];
  /** `/update now`, by a person. */
  now(app: string, version?: string): Promise<string>;
  stop(): Promise<void>;
}

export interface HandsOffOptions {
  readonly db: string;
  readonly sources: Readonly<Record<string, SimulatedSource>>;
  readonly device: SimulatedDevice;
  readonly settings: TestSettings;
  /** Where messages go; without one they stay in the outbox. */
  readonly chat?: FakeChat | undefined;
  readonly onLog?: ((line: string) => void) | undefined;
  readonly random?: (() => number) | undefined;
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const person = { id: 'fake:ann', name: 'Ann' };
export const ADMIN_CHAT = { platform: 'fake', chat: 'admins' };
let events = 0;

export async function startHandsOffHub(options: HandsOffOptions): Promise<HandsOffHub> {
  const { sources, device, settings, chat } = options;
  const store = await openStore(options.db);
  const { db } = store;
  const log: string[] = [];
  const note = (line: string) => {
    log.push(line);
    options.onLog?.(line);
  };
  const folder: ReleaseSource<'folder'> = {
    kind: 'folder',
    async read(_, { app }) {
      const source = sources[app];
      if (!source) throw new Error(`no source for ${app}`);
      source.asked += 1;
      if (source.down) throw new FettleError('source_unreachable', { data: { reason: 'down' }, retryable: true });
      const { pointer, expiresAt } = source;
      const channels = pointer === undefined ? {} : { stable: pointer };
      return { offer: { releases: source.releases, channels }, ...(expiresAt === undefined ? {} : { expiresAt }) };
    },
    resolve: async (_, release) => release,
  };
  const checker = createReleaseChecker({ db, sources: { folder } as unknown as ReleaseSources, clock });
  const apps = Object.keys(sources).map(
    (name): RequestedApp => ({
      name,
      source: { kind: 'folder', path: `/${name}` },
      channel: 'stable',
      keep: [],
      downgrade: 'any',
      probe: { forMs: 1, checks: 1 },
      graceMs: 1,
    }),
  );
  const outbox = chat
    ? createOutbox({ db, clock, adapters: [chat], redact: createRedactor(), random: () => 0, log: note })
    : { put: putMessage, wake: () => undefined, start: () => undefined, stop: async () => undefined };
  const announcer = createAnnouncer({ outbox, settings, platforms: ['fake'] });
  const telling = createTelling({ outbox, announcer, roleOf: () => 'admin' });
  const random = (length: number) => randomBytes(length);
  const engine = createEngine({
    db,
    clock,
    random,
    outbox,
    telling,
    announcer,
    gateway: () => device.gateway,
    settings,
    onMissing: async () => undefined,
    onChange: () => handsOff.soon(),
    log: note,
  });
  const requests = createRequests({
    db,
    clock,
    checker,
    engine: () => engine,
    backups: { list: async () => ({ backups: [], strange: [] }) },
    apps,
    choices: createChoices({ db, clock, checker, apps }),
    language: () => 'en',
    log: note,
  });
  const parts = { db, clock, checker, apps, settings, announcer, outbox, log: note };
  const isAsked = (app: string) => requests.isAsked(app);
  const notices = createNotices({ ...parts, isAsked });
  const auto = createAutoUpdates({ ...parts, random, engine, telling, isAsked, onChange: () => handsOff.soon() });
  const handsOff: HandsOff = createHandsOff({ ...parts, auto, notices });
  const schedule = createSchedule({ ...parts, random: options.random ?? (() => 0) });

  await rememberAdminChat(db, { route: ADMIN_CHAT, language: undefined, at: clock.now() });
  await engine.start();
  outbox.start();
  await handsOff.start();
  schedule.start();
  await device.connect(engine);
  return {
    store,
    checker,
    engine,
    requests,
    notices,
    handsOff,
    log,
    async now(app, version) {
      events += 1;
      const asked = { kind: 'update', app, version, force: false, withData: false, who: person } as const;
      const where = { route: { platform: 'fake', chat: 'ann' }, eventId: `e-${events}`, language: 'en' } as const;
      return (await requests.request({ ...asked, ...where }, AbortSignal.timeout(10_000))).id;
    },
    async stop() {
      await device.disconnect();
      await schedule.stop();
      await handsOff.stop();
      await engine.stop();
      await outbox.stop();
      await store.close();
    },
  };
}
