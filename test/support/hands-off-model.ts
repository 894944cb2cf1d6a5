/**
 * What hands-off updates are to do, said a second time and simply: numbers in memory, one list of things that come
 * next, no store, no restarts of anything. It shares no code with the hub. Times are milliseconds; UTC only.
 */

export type Auto = 'off' | 'on' | 'minor';
export type Verdict = 'good' | 'passing' | 'own' | 'final';
export type Reaction = 'none' | 'cancel' | 'pin' | 'skip' | 'off' | 'takeover' | 'restart';

export interface World {
  readonly releases: string[];
  pointer: string | undefined;
  down: boolean;
}

export interface ModelSettings {
  every: number | undefined;
  /** Minute of the day, where there is no interval. */
  daily: number;
  notify: 'all' | 'failures' | 'off';
  grace: number;
  quiet: { from: number; to: number } | undefined;
  digest: number | undefined;
}

interface App {
  readonly name: string;
  readonly world: World;
  auto: Auto;
  pinned: boolean;
  running: string;
  offer: { releases: string[]; pointer: string | undefined } | undefined;
  failures: number;
  nextAt: number | undefined;
  asked: number;
  readonly skipped: Set<string>;
  readonly blocked: Set<string>;
  readonly declined: Set<string>;
  readonly installed: Set<string>;
  readonly tries: Map<string, { count: number; last: Verdict; at: number }>;
  readonly told: Set<string>;
  readonly reminders: Map<string, number>;
}

interface Active {
  readonly app: App;
  readonly version: string;
  readonly automatic: boolean;
  phase: 'announced' | 'running';
  at: number;
  reactAt: number | undefined;
}

export interface Report {
  readonly asked: Record<string, number>;
  readonly running: Record<string, string>;
  /** `app version`, as they were announced with buttons. */
  readonly notices: readonly string[];
  readonly reminders: number;
  readonly digests: readonly string[];
  /** `app version end` of each update that nobody asked for. */
  readonly automatic: readonly string[];
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 1_440 * MINUTE;
const RUN_MS = 10 * SECOND;

const numbers = (version: string) => version.split('.').map(Number) as [number, number, number];
const compare = (a: string, b: string) => {
  const [x, y] = [numbers(a), numbers(b)];
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
};
const major = (version: string) => (numbers(version)[0] > 0 ? `${numbers(version)[0]}` : `0.${numbers(version)[1]}`);
const highest = (versions: readonly string[]) => [...versions].sort(compare).at(-1);
const minuteOf = (at: number) => Math.floor(at / MINUTE) % 1_440;

export function createModel(options: {
  readonly start: number;
  readonly apps: Readonly<Record<string, { world: World; running: string }>>;
  readonly settings: ModelSettings;
  readonly verdict: (app: string, version: string, nth: number) => Verdict;
  readonly reaction: (app: string, version: string) => Reaction;
}) {
  const { settings } = options;
  const apps = Object.entries(options.apps).map(
    ([name, { world, running }]): App => ({
      name,
      world,
      running,
      auto: 'off',
      pinned: false,
      offer: undefined,
      failures: 0,
      nextAt: undefined,
      asked: 0,
      skipped: new Set(),
      blocked: new Set(),
      declined: new Set(),
      installed: new Set(),
      tries: new Map(),
      told: new Set(),
      reminders: new Map(),
    }),
  );
  let now = options.start;
  let nextRound = now + MINUTE;
  let lastRound: number | undefined;
  let lookAt = now + SECOND;
  let digestMark: { minute: number; at: number } | undefined;
  let active: Active[] = [];
  const carried = new Map<string, number>();
  const reacted = new Set<string>();
  const notices: string[] = [];
  const digests: string[] = [];
  const automatic: string[] = [];
  let reminded = 0;

  /** The hub was away and is back. */
  function restarted(at: number): void {
    now = at;
    lastRound = undefined;
    nextRound = now + MINUTE;
    lookAt = now + SECOND;
  }
  const soon = () => {
    lookAt = Math.min(lookAt, now + SECOND);
  };
  /** After a start the first round comes first. */
  const retryAt = (app: App) => (lastRound === undefined ? undefined : app.nextAt) ?? Number.POSITIVE_INFINITY;
  const appOf = (name: string) => apps.find((app) => app.name === name) as App;
  const isQuiet = (at: number) => {
    if (!settings.quiet) return false;
    const { from, to } = settings.quiet;
    const minute = minuteOf(at);
    return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
  };
  const timeOfDay = (minute: number, after: number) => {
    const today = Math.floor(after / DAY) * DAY + minute * MINUTE;
    return today > after ? today : today + DAY;
  };
  const roundAfter = (last: number) => {
    if (settings.every === undefined) return timeOfDay(settings.daily, now);
    const next = last + settings.every;
    return next > now ? next : now + settings.every;
  };

  function ask(app: App): boolean {
    app.asked += 1;
    if (app.world.down) {
      app.failures += 1;
      app.nextAt = now + Math.min(2 ** (app.failures - 1), 60) * MINUTE;
    } else {
      app.failures = 0;
      app.nextAt = undefined;
      app.offer = { releases: [...app.world.releases], pointer: app.world.pointer };
    }
    soon();
    return !app.world.down;
  }

  /** Versions that are above what runs and that nothing speaks against. */
  function open(app: App): string[] {
    if (!app.offer || app.pinned) return [];
    const { releases, pointer } = app.offer;
    const top = pointer ?? highest(releases) ?? '0.0.0';
    return releases.filter(
      (v) => compare(v, top) <= 0 && compare(v, app.running) > 0 && !app.skipped.has(v) && !app.blocked.has(v),
    );
  }

  function givenUp(app: App): string[] {
    return [...app.tries]
      .filter(([v, tried]) => (tried.last !== 'passing' || tried.count > 5) && !app.blocked.has(v))
      .map(([v]) => v);
  }

  function comes(app: App): string | undefined {
    if (app.auto === 'off') return undefined;
    const near = (v: string) => app.auto === 'on' || major(v) === major(app.running);
    const left = [...app.declined, ...app.installed, ...givenUp(app)].filter(near);
    return highest(open(app).filter((v) => near(v) && left.every((l) => compare(v, l) > 0)));
  }

  function news(app: App): string | undefined {
    const newest = highest(open(app));
    return newest === comes(app) ? undefined : newest;
  }

  function end(one: Active, how: 'cancelled' | Verdict): void {
    active = active.filter((other) => other !== one);
    const { app, version } = one;
    if (one.automatic) automatic.push(`${app.name} ${version} ${how}`);
    if (how !== 'cancelled') {
      if (how === 'good') {
        app.running = version;
        app.installed.add(version);
        if (one.automatic) app.tries.delete(version);
      }
      if (how === 'own') app.blocked.add(version);
      if (one.automatic && how !== 'good') {
        const count = (app.tries.get(version)?.count ?? 0) + 1;
        app.tries.set(version, { count, last: how, at: now });
      }
    }
    soon();
  }

  function holds(one: Active): boolean {
    return !isQuiet(now) && comes(one.app) === one.version;
  }

  function begin(app: App, version: string, automatic_: boolean): void {
    active.push({ app, version, automatic: automatic_, phase: 'running', at: now + RUN_MS, reactAt: undefined });
  }

  function react(one: Active): void {
    one.reactAt = undefined;
    const { app, version } = one;
    switch (options.reaction(app.name, version)) {
      case 'none':
        return;
      case 'cancel':
        app.declined.add(version);
        app.told.add(version);
        end(one, 'cancelled');
        return;
      case 'restart':
        restarted(now);
        return;
      case 'pin':
        app.pinned = true;
        break;
      case 'skip':
        app.skipped.add(version);
        break;
      case 'off':
        app.auto = 'off';
        break;
      case 'takeover':
        end(one, 'cancelled');
        begin(app, version, false);
        break;
    }
    soon();
  }

  function look(): void {
    lookAt = Number.POSITIVE_INFINITY;
    for (const one of [...active]) if (one.phase === 'announced' && !holds(one)) end(one, 'cancelled');
    if (isQuiet(now) && settings.quiet) {
      lookAt = Math.min(lookAt, timeOfDay(settings.quiet.to, now));
      return;
    }
    for (const app of apps) {
      const version = comes(app);
      if (version === undefined) continue;
      const tried = app.tries.get(version);
      if (tried) {
        const due = tried.at + 10 * MINUTE * 2 ** (tried.count - 1);
        if (due > now) {
          lookAt = Math.min(lookAt, due);
          continue;
        }
      }
      if (active.some((one) => one.automatic || one.app === app)) continue;
      if (tried) {
        begin(app, version, true);
        continue;
      }
      if (settings.notify === 'all') app.told.add(version);
      const key = `${app.name} ${version}`;
      const reacts = settings.grace > 0 && !reacted.has(key);
      reacted.add(key);
      const reactAt = reacts ? now + 10 * SECOND : undefined;
      active.push({ app, version, automatic: true, phase: 'announced', at: now + settings.grace, reactAt });
    }
    if (settings.notify === 'all') announce();
  }

  function announce(): void {
    const gathered: App[] = [];
    for (const app of apps) {
      if (active.some((one) => one.app === app)) continue;
      const version = news(app);
      for (const [later, at] of app.reminders) {
        if (at > now) {
          lookAt = Math.min(lookAt, at);
          continue;
        }
        app.reminders.delete(later);
        if (later === version) reminded += 1;
      }
      if (version === undefined || app.told.has(version)) continue;
      if (settings.digest !== undefined && app.auto === 'off') {
        gathered.push(app);
        continue;
      }
      app.told.add(version);
      notices.push(`${app.name} ${version}`);
    }
    if (settings.digest === undefined) return;
    if (digestMark?.minute !== settings.digest) digestMark = { minute: settings.digest, at: now };
    if (timeOfDay(settings.digest, digestMark.at) <= now) {
      digestMark.at = now;
      for (const app of gathered) app.told.add(news(app) ?? '');
      if (gathered.length > 0) digests.push(gathered.map((app) => `${app.name} ${news(app)}`).join(', '));
    }
    lookAt = Math.min(lookAt, timeOfDay(settings.digest, now));
  }

  function step(): void {
    const retry = apps.find((app) => retryAt(app) <= now);
    const reacting = active.find((one) => one.reactAt !== undefined && one.reactAt <= now);
    const over = active.find((one) => one.at <= now);
    if (nextRound <= now) {
      lastRound = now;
      for (const app of apps) if (app.nextAt === undefined || app.nextAt <= now) ask(app);
      nextRound = roundAfter(now);
    } else if (retry) ask(retry);
    else if (reacting) react(reacting);
    else if (over?.phase === 'announced') {
      if (!holds(over)) end(over, 'cancelled');
      else {
        over.phase = 'running';
        over.at = now + RUN_MS;
        over.reactAt = undefined;
      }
    } else if (over) {
      const key = `${over.app.name} ${over.version}`;
      const nth = (carried.get(key) ?? 0) + 1;
      carried.set(key, nth);
      end(over, options.verdict(over.app.name, over.version, nth));
    } else if (lookAt <= now) look();
  }

  const nextThing = () =>
    Math.min(
      nextRound,
      lookAt,
      ...apps.map(retryAt),
      ...active.flatMap((one) => [one.at, one.reactAt ?? Number.POSITIVE_INFINITY]),
    );

  return {
    settings,
    soon,
    /** Everything up to a moment happens. */
    pass(until: number) {
      for (let next = nextThing(); next <= until; next = nextThing()) {
        now = Math.max(now, next);
        step();
      }
      now = until;
    },
    restarted,
    timesChanged() {
      if (lastRound !== undefined) nextRound = roundAfter(lastRound);
    },
    app: appOf,
    ask: (name: string) => ask(appOf(name)),
    /** A person's update to a version, or to the newest. */
    update(name: string, version: string | undefined) {
      const app = appOf(name);
      if (version === undefined && !ask(app)) return;
      const to = version ?? app.offer?.pointer ?? highest(app.offer?.releases ?? []);
      if (to === undefined || to === app.running || app.blocked.has(to)) return;
      if (version === undefined && compare(to, app.running) < 0) return;
      begin(app, to, false);
    },
    later(name: string) {
      const app = appOf(name);
      const version = news(app) ?? comes(app);
      if (version === undefined) return;
      app.told.add(version);
      app.reminders.set(version, now + DAY);
      soon();
    },
    calm: () => active.length === 0,
    report: (): Report => ({
      asked: Object.fromEntries(apps.map((app) => [app.name, app.asked])),
      running: Object.fromEntries(apps.map((app) => [app.name, app.running])),
      notices: [...notices].sort(),
      reminders: reminded,
      digests,
      automatic,
    }),
  };
}

export type Model = ReturnType<typeof createModel>;
