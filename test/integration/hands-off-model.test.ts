import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { saveAppChoice, skipRelease } from '../../src/store/app-settings.ts';
import { createSource, type HandsOffHub, type SimulatedSource, startHandsOffHub } from '../support/hands-off-hub.ts';
import {
  type Auto,
  createModel,
  type Model,
  type Report,
  type Verdict,
  type World,
} from '../support/hands-off-model.ts';
import { createSettings } from '../support/settings.ts';
import { createSimulatedDevice, releaseOf } from '../support/simulated-device.ts';

/**
 * Sixty days of releases, failures, people and restarts, drawn by a seed; the hub on a real database with time
 * simulated, compared each day, and before whatever happens, with a model that is written apart. `npm run model -- --seeds 100` tries more.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAYS = 60;
const START = Date.parse('2026-06-01T00:10:00Z');
const APPS = ['web', 'bot', 'db'] as const;
const NAMES = { good: 'succeeded', passing: 'failed', own: 'rolled-back', final: 'failed', cancelled: 'cancelled' };

const REACTIONS = ['cancel', 'pin', 'skip', 'off', 'takeover', 'restart', 'restart'] as const;

const seeds = Number(process.env.FETTLE_MODEL_SEEDS ?? 3);
const first = Number(process.env.FETTLE_MODEL_FIRST ?? 2);

let folder: string;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  vi.setSystemTime(START);
  // In memory where there is such a place: the database waits for the disk at each write.
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fettle-model-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

/** mulberry32: 0 ≤ x < 1. */
function randomOf(text: string): () => number {
  let state = [...text].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16_777_619), 2_166_136_261);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function live(seed: number): Promise<{ days: number; events: number; report: Report }> {
  const random = randomOf(`seed ${seed}`);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const worlds: Record<string, World> = {};
  const sources: Record<string, SimulatedSource> = {};
  for (const app of APPS) {
    worlds[app] = { releases: ['1.0.0'], pointer: undefined, down: false };
    sources[app] = createSource([releaseOf('1.0.0')]);
  }
  const publish = (app: string) => {
    const world = worlds[app] as World;
    const source = sources[app] as SimulatedSource;
    Object.assign(source, {
      releases: world.releases.map((v) => releaseOf(v)),
      pointer: world.pointer,
      down: world.down,
    });
  };

  const verdict = (app: string, version: string, nth: number): Verdict => {
    const draw = randomOf(`${seed} verdict ${app} ${version}`);
    const [kind, depth] = [draw(), draw()];
    if (kind < 0.6) return 'good';
    if (kind < 0.85) return nth <= Math.ceil(depth * 8) ? 'passing' : 'good';
    return kind < 0.95 ? 'own' : 'final';
  };
  const reaction = (app: string, version: string) => {
    const draw = randomOf(`${seed} reaction ${app} ${version}`)();
    if (draw < 0.65) return 'none';
    return REACTIONS[Math.floor(((draw - 0.65) / 0.35) * REACTIONS.length)] ?? 'none';
  };
  const settings = createSettings({ interval: { every: 6 * HOUR } });
  const model: Model = createModel({
    start: START,
    apps: Object.fromEntries(APPS.map((app) => [app, { world: worlds[app] as World, running: '1.0.0' }])),
    settings: { every: 6 * HOUR, daily: 251, notify: 'all', grace: 30_000, quiet: undefined, digest: undefined },
    verdict,
    reaction,
  });

  const device = createSimulatedDevice(Object.fromEntries(APPS.map((app) => [app, '1.0.0'])));
  const carried = new Map<string, number>();
  device.verdict = (app, version) => {
    const nth = (carried.get(`${app} ${version}`) ?? 0) + 1;
    carried.set(`${app} ${version}`, nth);
    const drawn = verdict(app, version, nth);
    if (drawn === 'good') return 'good';
    return { problem: 'crashed', retryable: drawn === 'passing', own: drawn === 'own' };
  };
  const who = { by: 'fake:ann', byName: 'Ann', at: 0 };
  const reacted = new Set<string>();
  let hub = undefined as unknown as HandsOffHub;
  const act = {
    auto: (app: string, auto: Auto) => saveAppChoice(hub.store.db, app, { auto }, who),
    pin: (app: string, pinned: string | null) => saveAppChoice(hub.store.db, app, { pinned }, who),
    skip: (app: string, version: string) => skipRelease(hub.store.db, app, version, who),
  };

  /** What people do ten seconds into a grace. */
  const onLog = (line: string) => {
    const [, app, version] = /^(\S+) on \S+ updates to (\S+) by itself$/.exec(line) ?? [];
    if (!app || !version || settings.current().grace === 0 || reacted.has(`${app} ${version}`)) return;
    reacted.add(`${app} ${version}`);
    setTimeout(async () => {
      const what = reaction(app, version);
      const rows = await hub.store.db
        .selectFrom('updates')
        .select(['id', 'app'])
        .where('state', '=', 'announced')
        .execute();
      const id = rows.find((row) => row.app === app)?.id;
      if (id === undefined || what === 'none') return;
      if (what === 'cancel') await hub.engine.cancel(id);
      if (what === 'pin') await act.pin(app, '1.0.0');
      if (what === 'skip') await act.skip(app, version);
      if (what === 'off') await act.auto(app, 'off');
      if (what === 'takeover') await hub.now(app, version);
      if (what === 'restart') {
        await hub.stop();
        await startHub();
      }
      hub.handsOff.soon();
    }, 10 * SECOND);
  };
  const startHub = async () => {
    hub = await startHandsOffHub({ db: join(folder, `hub-${seed}.db`), sources, device, settings, onLog });
  };
  const rows = () => hub.store.db.selectFrom('updates').selectAll().orderBy('state_at').orderBy('id').execute();
  const isCalm = async () => (await rows()).every((row) => row.final_state !== null);

  /** The same moment on both sides, with nothing under way. */
  async function passTo(at: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(Math.max(0, at - Date.now()));
    model.pass(Date.now());
    for (let waited = 0; waited < 60 && (!(await isCalm()) || !model.calm()); waited += 1) {
      await vi.advanceTimersByTimeAsync(MINUTE);
      model.pass(Date.now());
    }
  }

  async function report(): Promise<Report> {
    const messages = await hub.store.db.selectFrom('outbox').select(['key', 'reply']).orderBy('seq').execute();
    const keys = messages.map(({ key }) => key.replace('@fake:admins', '').split('/'));
    const releases = keys.filter(([notice, kind]) => notice === 'notice' && kind === 'release');
    const digests = messages.filter(({ key }) => key.startsWith('notice/digest/'));
    const ended = (await rows()).filter((row) => row.automatic === 1);
    return {
      asked: Object.fromEntries(APPS.map((app) => [app, sources[app]?.asked ?? 0])),
      running: Object.fromEntries(device.running),
      notices: releases
        .filter((parts) => parts.length === 4)
        .map(([, , app, version]) => `${app} ${version}`)
        .sort(),
      reminders: releases.filter((parts) => parts.length === 5).length,
      digests: digests.map(({ reply }) =>
        (JSON.parse(reply) as { table: { rows: string[][] } }).table.rows
          .map((row) => `${row[0]} ${row[2]}`)
          .join(', '),
      ),
      automatic: ended.map((row) => `${row.app} ${row.to_version} ${row.state}`),
    };
  }

  function expected(): Report {
    const told = model.report();
    const automatic = told.automatic.map((line) => {
      const [app, version, how = ''] = line.split(' ');
      return `${app} ${version} ${NAMES[how as keyof typeof NAMES]}`;
    });
    return { ...told, automatic };
  }

  function release(app: string): void {
    const world = worlds[app] as World;
    const [major = 1, minor = 0, patch = 0] = (world.releases.at(-1) ?? '1.0.0').split('.').map(Number);
    const draw = random();
    const next = draw < 0.6 ? [major, minor, patch + 1] : draw < 0.88 ? [major, minor + 1, 0] : [major + 1, 0, 0];
    world.releases.push(next.join('.'));
    if (random() < 0.8) world.pointer = undefined;
  }

  /** One thing that happens, on both sides. */
  async function happen(): Promise<void> {
    const app = pick(APPS);
    const world = worlds[app] as World;
    // Nothing stays broken, pinned or silent for long: there would be little to see.
    for (const name of APPS) {
      if (random() < 0.3) (worlds[name] as World).down = false;
      publish(name);
      if (!model.app(name).pinned || random() < 0.7) continue;
      model.app(name).pinned = false;
      await act.pin(name, null);
    }
    const draw = random();
    if (draw < 0.4) release(app);
    else if (draw < 0.44) world.pointer = pick(world.releases);
    else if (draw < 0.5) world.down = true;
    else if (draw < 0.6) {
      const auto = pick(['on', 'on', 'minor', 'off'] as const);
      model.app(app).auto = auto;
      await act.auto(app, auto);
    } else if (draw < 0.67) {
      const pinned = !model.app(app).pinned && random() < 0.3;
      model.app(app).pinned = pinned;
      await act.pin(app, pinned ? '1.0.0' : null);
    } else if (draw < 0.71) {
      const version = pick(world.releases);
      model.app(app).skipped.add(version);
      await act.skip(app, version);
    } else if (draw < 0.81) change();
    else if (draw < 0.86) await restart();
    else if (draw < 0.89) {
      model.ask(app);
      publish(app);
      const asked = { name: app, source: { kind: 'folder', path: `/${app}` }, channel: 'stable' } as const;
      await hub.checker.check(asked, { signal: new AbortController().signal }).catch(() => undefined);
    } else if (draw < 0.93) {
      publish(app);
      model.update(app, undefined);
      await hub.now(app).catch(() => undefined);
    } else if (draw < 0.96) {
      const version = pick(model.app(app).offer?.releases ?? ['1.0.0']);
      if (model.app(app).offer) {
        model.update(app, version);
        await hub.now(app, version).catch(() => undefined);
      }
    } else {
      model.later(app);
      await hub.notices.later(app, undefined).catch(() => undefined);
    }
    publish(app);
    // As after every command; where nothing was said, it changes nothing.
    hub.handsOff.soon();
    model.soon();
  }

  function change(): void {
    const draw = random();
    const now = model.settings;
    if (draw < 0.32) {
      now.every = random() < 0.2 ? undefined : pick([1, 1, 3, 6, 12, 24, 720]) * HOUR;
      const interval = now.every === undefined ? { cron: '11 4 * * *' } : { every: now.every };
      model.timesChanged();
      settings.change({ interval });
    } else if (draw < 0.45) {
      now.notify = now.notify === 'all' ? pick(['all', 'failures', 'off']) : 'all';
      settings.change({ notify: now.notify });
    } else if (draw < 0.62) {
      now.grace = pick([0, 30 * SECOND, 30 * SECOND, 5 * MINUTE]);
      settings.change({ grace: now.grace });
    } else if (draw < 0.85) {
      now.quiet = pick([undefined, { from: 1_333, to: 420 }, { from: 253, to: 300 }, { from: 613, to: 1_000 }]);
      settings.change({ quiet: now.quiet ?? null });
    } else {
      now.digest = pick([undefined, 540, 1_080]);
      settings.change({ digest: now.digest ?? null });
    }
  }

  async function restart(): Promise<void> {
    const away = pick([0, 1, 20, 300]) * MINUTE;
    await hub.stop();
    await vi.advanceTimersByTimeAsync(away);
    await startHub();
    model.restarted(Date.now());
  }

  await startHub();
  let events = 0;
  for (let hour = 1; hour <= DAYS * 24; hour += 1) {
    const busy = random() < 0.16;
    if (!busy && hour % 24 !== 0) continue;
    await passTo(START + hour * HOUR + 20 * MINUTE);
    expect(await report(), `seed ${seed}, hour ${hour}`).toEqual(expected());
    if (busy) {
      events += 1;
      await happen();
    }
  }
  await passTo(Date.now() + 2 * MINUTE);
  const result = await report();
  expect(result, `seed ${seed}, at the end`).toEqual(expected());
  expect(new Set(result.notices).size, `seed ${seed}: no release twice`).toBe(result.notices.length);
  await hub.stop();
  return { days: DAYS, events, report: result };
}

const totals = { automatic: 0, notices: 0, digests: 0, reminders: 0, cancelled: 0, retried: 0 };

test.each(Array.from({ length: seeds }, (_, i) => first + i))(
  'sixty days, seed %i',
  async (seed) => {
    const { report, events } = await live(seed);
    console.log(
      `seed ${seed}: ${events} events, ${report.automatic.length} automatic updates, ${report.notices.length} notices, ` +
        `${report.digests.length} digests, ${report.reminders} reminders, asked ${Object.values(report.asked).join('/')}`,
    );
    totals.automatic += report.automatic.length;
    totals.notices += report.notices.length;
    totals.digests += report.digests.length;
    totals.reminders += report.reminders;
    totals.cancelled += report.automatic.filter((line) => line.endsWith('cancelled')).length;
    totals.retried += report.automatic.filter((line) => line.endsWith('failed')).length;
  },
  120_000,
);

test.runIf(seeds >= 3)('the seeds together saw all there is to see', () => {
  for (const [what, count] of Object.entries(totals)) expect(count, what).toBeGreaterThan(0);
});
