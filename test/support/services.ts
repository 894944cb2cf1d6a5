import type { BackupView, Checked, Services, UpdateRequest, UpdateView } from '../../src/commands/services.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { Release } from '../../src/domain/release.ts';
import type { Language, Route } from '../../src/domain/reply.ts';
import { isCancellable, isFinal, stateOf, type UpdateState } from '../../src/domain/update.ts';
import { newestFirst } from '../../src/domain/version.ts';
import type { AppReport } from '../../src/protocol/messages.ts';
import { createChoiceStore, createPreferences } from './preferences.ts';

/**
 * What commands need, without an engine: two apps, releases, and updates that walk through their states by
 * themselves. It lives longer than a hub, as agents do.
 */

const DAY = 86_400_000;

export interface FakeUpdate extends UpdateView {
  readonly route: Route;
  readonly eventId: string;
  readonly language: Language;
}

export interface World {
  readonly services: Services;
  readonly updates: Map<string, FakeUpdate>;
  /** How often each command reached the services. */
  readonly calls: Record<'check' | 'request', number>;
  /** Called with each change of an update. */
  onChange: (update: FakeUpdate) => void;
  /** Makes the source unreachable. */
  sourceDown: boolean;
  /** Delay of each request to the source. Milliseconds. */
  sourceMs: number;
  /** Time that an update spends in each state. Milliseconds. */
  stepMs: number;
  /** Whose version each app runs. */
  readonly running: Map<string, string>;
  /** Versions that failed, whatever the app. */
  readonly blocked: string[];
  /** What is said of every offer. */
  warning: Checked['offer']['warning'];
  stop(): void;
}

const RELEASES: Readonly<Record<string, readonly string[]>> = {
  web: ['1.9.0', '2.0.1', '2.0.2', '3.0.0', '3.0.1'],
  hello: ['1.0.0', '1.1.0', '1.2.0'],
};

const PATH: readonly UpdateState[] = [
  'received',
  'fetching',
  'staged',
  'waiting',
  'stopping',
  'swapping',
  'starting',
  'probing',
  'committing',
];
const BACK: readonly UpdateState[] = ['reverting', 'restarting', 'reprobing'];

const absent = () => Promise.reject(new FettleError('not_allowed'));
/** Nobody but the terminal. */
const absentPeople: Services['people'] = {
  list: async () => [],
  strangers: async () => [],
  ...{ claim: absent, setRole: absent, remove: absent, newLink: absent, link: absent, unlink: absent },
};
const absentApprovals: Services['approvals'] = { approve: absent, reject: absent };

export function createWorld(options: { apps?: readonly string[]; defaultApp?: string } = {}): World {
  const names = options.apps ?? ['web', 'hello'];
  const running = new Map([
    ['web', '2.0.2'],
    ['hello', '1.0.0'],
  ]);
  const preferences = createPreferences(names);
  const choices = createChoiceStore(
    (app) => running.get(app),
    (app) => newestFirst(RELEASES[app] ?? [])[0] ?? '',
  );
  const updates = new Map<string, FakeUpdate>();
  const timers = new Set<NodeJS.Timeout>();
  let counter = 0;

  const release = (version: string): Release => ({
    version,
    channel: 'stable',
    digest: 'sha512-abc',
    publishedAt: Date.now() - 3 * DAY,
    notes: `What is new in ${version}.`,
    size: 8_100_000,
    artifacts: [],
  });
  const offerOf = (app: string): Checked => {
    const versions = newestFirst(RELEASES[app] ?? []);
    return {
      newest: versions[0] === undefined ? undefined : release(versions[0]),
      offer: { releases: versions.map(release), channels: {}, warning: world.warning },
      checkedAt: Date.now(),
    };
  };
  const report = (app: string): AppReport => ({
    app,
    version: running.get(app),
    lastGood: undefined,
    health: 'healthy',
    address: `http://127.0.0.1:${app === 'web' ? 8080 : 8081}/`,
    blocked: world.blocked,
  });

  function change(id: string, values: Partial<FakeUpdate>): void {
    const before = updates.get(id);
    if (!before) return;
    const after = { ...before, ...values, stateAt: Date.now() };
    updates.set(id, after);
    world.onChange(after);
  }

  function later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }

  function end(id: string, state: 'succeeded' | 'rolled-back' | 'cancelled'): void {
    const update = updates.get(id);
    if (!update) return;
    if (state === 'succeeded' && update.to) running.set(update.app, update.to);
    change(id, {
      state,
      endedAt: Date.now(),
      progress: undefined,
      outcome: {
        update: id,
        app: update.app,
        kind: update.kind,
        state,
        from: update.from,
        to: update.to,
        running: running.get(update.app),
        ...(state === 'cancelled' ? {} : { outageMs: state === 'succeeded' ? 900 : 4_200 }),
        ...(state === 'succeeded' ? { proof: 'reported' as const, backup: 7 } : {}),
        ...(state === 'rolled-back'
          ? {
              problem: {
                code: 'health_failed',
                data: { check: 'http', status: 500, reason: 'internal error' },
                retryable: false,
              },
              logTail:
                'listening on 8081\nError: cannot read table notes\n    at migrate (db.js:12)\ntoken=abcdef123456',
              dataRestored: true,
              setAside: `failed/${id}`,
            }
          : {}),
        startedAt: update.requestedAt,
        endedAt: Date.now(),
      },
    });
  }

  function walk(id: string, states: readonly UpdateState[], done: () => void): void {
    const [state, ...rest] = states;
    if (state === undefined) {
      done();
      return;
    }
    const update = updates.get(id);
    if (!update) return;
    if (update.cancelRequested && stateOf(update.state).phase === 'safe') {
      end(id, 'cancelled');
      return;
    }
    change(id, { state, progress: undefined });
    if (state !== 'fetching') {
      later(world.stepMs, () => walk(id, rest, done));
      return;
    }
    const parts = 5;
    for (let part = 0; part <= parts; part += 1) {
      later((world.stepMs * 3 * part) / parts, () => {
        const now = updates.get(id);
        if (now?.state !== 'fetching') return;
        const left = parts - part;
        change(id, {
          progress: { unit: 'bytes', done: (8_100_000 * part) / parts, total: 8_100_000, rate: 1_200_000, left },
        });
      });
    }
    later(world.stepMs * 3 + 1, () => walk(id, rest, done));
  }

  function choose(request: UpdateRequest): { from: string | undefined; to: string | undefined } {
    const from = running.get(request.app);
    const known = newestFirst(RELEASES[request.app] ?? []);
    if (request.kind === 'restart' || request.kind === 'restore') return { from, to: from };
    if (request.kind === 'rollback') throw new FettleError('no_last_good', { data: { app: request.app } });
    const to = request.version ?? known[0];
    if (to === undefined || !known.includes(to)) {
      throw new FettleError('unknown_version', {
        data: { app: request.app, version: to ?? '', newest: known.slice(0, 5) },
      });
    }
    if (to === from) {
      const code = request.version === undefined ? 'already_latest' : 'already_running_version';
      throw new FettleError(code, { data: { app: request.app, version: to } });
    }
    return { from, to };
  }

  const services: Services = {
    settings: () => ({
      apps: names.map((name) => ({ name, source: { kind: 'npm', package: name }, channel: 'stable' })),
      defaultApp: options.defaultApp ?? preferences.current().defaultApp ?? undefined,
      version: '0.1.0',
    }),
    preferences,
    choices,
    fleet: {
      list: async () => [],
      find: async (typed) => {
        throw new FettleError('unknown_device', { data: { typed } });
      },
      invite: async () => ({ line: 'curl', expiresAt: Date.now(), loopbackOnly: true }),
      rename: async (before, after) => ({ before, after }),
      label: async (typed) => services.fleet.find(typed),
      revoke: async (name) => ({ name, already: false }),
    },
    async check(app, signal) {
      world.calls.check += 1;
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, world.sourceMs);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          reject(signal.reason);
        });
      });
      if (world.sourceDown) {
        throw new FettleError('source_unreachable', {
          data: { source: `npm ${app}`, reason: 'ECONNREFUSED', nextAt: Date.now() + 60_000 },
        });
      }
      return offerOf(app);
    },
    known: async (app) => offerOf(app),
    async request(request) {
      world.calls.request += 1;
      const again = [...updates.values()].find(({ eventId }) => eventId === request.eventId);
      if (again) return { id: again.id };
      const active = [...updates.values()].find(({ app, state }) => app === request.app && !isFinal(state));
      if (active) {
        throw new FettleError('in_progress', {
          data: {
            app: active.app,
            id: active.id,
            who: active.requestedByName,
            startedAt: active.requestedAt,
            state: active.state,
          },
        });
      }
      const { from, to } = choose(request);
      counter += 1;
      const id = `u-${String(counter).padStart(4, '2')}`;
      const bad = request.app === 'hello' && to === '1.2.0';
      updates.set(id, {
        id,
        app: request.app,
        device: 'this-machine',
        kind: request.kind,
        state: 'requested',
        from,
        to,
        requestedBy: request.who.id,
        requestedByName: request.who.name,
        requestedAt: Date.now(),
        stateAt: Date.now(),
        cancelRequested: false,
        route: request.route,
        eventId: request.eventId,
        language: request.language,
      });
      change(id, {});
      const until = PATH.indexOf('probing') + 1;
      later(1, () =>
        walk(id, bad ? [...PATH.slice(0, until), ...BACK] : PATH, () => end(id, bad ? 'rolled-back' : 'succeeded')),
      );
      return { id };
    },
    async plan(request) {
      const { from, to } = choose(request);
      const app = request.app;
      return {
        kind: 'update',
        app,
        from,
        to,
        size: 8_100_000,
        source: `npm ${app}`,
        steps: [
          { code: 'fetch', data: { source: `npm ${app}`, size: 8_100_000 } },
          { code: 'verify', data: {} },
          { code: 'back_up', data: { paths: ['data'] } },
          { code: 'stop', data: { app, grace: 10_000 } },
          { code: 'switch', data: { from, to } },
          { code: 'start', data: { app, version: to } },
          { code: 'probe', data: { checks: 3, for: 10_000 } },
          { code: 'commit', data: { version: from } },
          { code: 'go_back', data: { version: from } },
        ],
      };
    },
    async cancel(id) {
      const active = [...updates.values()].filter(({ state }) => !isFinal(state));
      const update = id === undefined ? active[0] : updates.get(id);
      if (!update) {
        throw id === undefined
          ? new FettleError('nothing_to_cancel')
          : new FettleError('unknown_update', { data: { id } });
      }
      const accepted = isCancellable(update.state);
      if (accepted) change(update.id, { cancelRequested: true });
      return { id: update.id, app: update.app, accepted, state: update.state };
    },
    async insist(id, on) {
      const update = updates.get(id);
      if (!update) throw new FettleError('unknown_update', { data: { id } });
      const accepted = on === 'force' ? isCancellable(update.state) : update.state === 'waiting';
      return { id, app: update.app, accepted, state: update.state };
    },
    async later(app, version) {
      return { version: version ?? RELEASES[app]?.at(-1) ?? '', at: Date.now() + DAY };
    },
    updates: {
      active: async (app) =>
        [...updates.values()].filter((update) => !isFinal(update.state) && (app === undefined || update.app === app)),
      history: async (app, limit) =>
        [...updates.values()]
          .filter((update) => isFinal(update.state) && (app === undefined || update.app === app))
          .reverse()
          .slice(0, limit),
      find: async (id) => updates.get(id),
    },
    devices: async () => [
      { id: 'd-1', name: 'this-machine', connected: true, lastSeenAt: Date.now(), apps: names.map(report) },
    ],
    lostAnswers: async () => [],
    adapters: () => [{ platform: 'terminal', state: 'connected', since: Date.now() - 60_000 }],
    async backups(wanted) {
      const at = Date.now() - 2 * DAY;
      const sizes = { bytes: 21, files: 1 };
      const of = (app: string): BackupView[] => [
        { app, seq: 4, at: at + DAY, from: '3.0.1', restores: 2, ...sizes, ofRunning: false },
        { app, seq: 3, at, from: '2.0.2', to: '3.0.1', ...sizes, ofRunning: true },
      ];
      const asked = names.filter((name) => wanted === undefined || name === wanted);
      return { backups: asked.flatMap(of), strange: [] };
    },
    people: absentPeople,
    approvals: absentApprovals,
    tools: { list: async () => [], begun: async () => undefined, run: absent },
    readLog: async () => 'a line\nanother line',
  };

  const world: World = {
    services,
    updates,
    calls: { check: 0, request: 0 },
    onChange: () => undefined,
    sourceDown: false,
    sourceMs: 5,
    stepMs: 20,
    running,
    blocked: [],
    warning: undefined,
    stop() {
      for (const timer of timers) clearTimeout(timer);
    },
  };
  return world;
}
