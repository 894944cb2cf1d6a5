import { createTask, type ScheduledTask } from 'node-cron';
import { releasedAs } from '../domain/app.ts';
import type { Clock } from '../domain/id.ts';
import type { HubSettings, SettingsReader } from '../domain/settings.ts';
import { type CheckedApp, type ReleaseChecker, sourceKey } from '../releases/index.ts';
import { createAlarm } from './alarm.ts';

/**
 * When sources are asked by themselves: a minute after the start, then as the settings say, and those that did not
 * answer also when people were told that they would be. Each source is asked once a round, however many apps use it;
 * a round that is under way is not begun again.
 */
export interface Schedule {
  start(): void;
  /** Calls off what is being asked, and waits for it. */
  stop(): Promise<void>;
}

export interface ScheduleDeps {
  readonly checker: Pick<ReleaseChecker, 'check' | 'known' | 'onAsked'>;
  readonly apps: readonly CheckedApp[];
  readonly settings: SettingsReader;
  readonly clock: Pick<Clock, 'now'>;
  /** 0 ≤ x < 1: hubs that were started together do not ask together. */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

const MINUTE = 60_000;
const FIRST_MS = MINUTE;
/** Shortest time after which a source that failed is asked again. */
const RETRY_MS = MINUTE;
/** Whatever went wrong: never again at once. */
const LEAST_MS = 1_000;
const AT_ONCE = 4;
/** More than any jitter. */
const MOST_JITTER_MS = 20 * MINUTE;
/** Where the settings hold an expression that can't be read (a newer hub wrote it). */
const FALLBACK_MS = 24 * 60 * MINUTE;

export function createSchedule(deps: ScheduleDeps): Schedule {
  const { clock, settings, log } = deps;
  const sources = new Map(
    deps.apps.flatMap((app) => (app.source ? [[sourceKey(app.source, releasedAs(app.name)), app] as const] : [])),
  );
  const ends: (() => void)[] = [];
  let cron: { readonly key: string; readonly task: ScheduledTask } | undefined;
  let lastRound: number | undefined;
  let nextRound = 0;
  const alarm = createAlarm({ clock, work, onError: (error) => log(`sources could not be asked: ${String(error)}`) });

  async function work(signal: AbortSignal): Promise<number> {
    const now = clock.now();
    // Set far ahead by a clock that was wrong then.
    nextRound = Math.min(nextRound, following(now, settings.current()) + MOST_JITTER_MS);
    if (now >= nextRound) {
      lastRound = now;
      await ask([...sources.values()], signal);
      nextRound = following(now, settings.current());
    } else await ask(await failed(now), signal);
    return Math.min(nextRound, ...(await retries()));
  }

  /** One question a source. A failure is in the store, with the time of the next try: there is nobody here to tell. */
  async function ask(apps: readonly CheckedApp[], signal: AbortSignal): Promise<void> {
    const waiting = [...apps];
    const worker = async () => {
      for (let app = waiting.shift(); app && !signal.aborted; app = waiting.shift()) {
        await deps.checker.check(app, { signal, automatic: true }).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async function failed(now: number): Promise<readonly CheckedApp[]> {
    const due: CheckedApp[] = [];
    for (const app of sources.values()) {
      const known = await deps.checker.known(app);
      if (known?.problem && known.nextAt !== undefined && known.nextAt <= now) due.push(app);
    }
    return due;
  }

  async function retries(): Promise<readonly number[]> {
    const times: number[] = [];
    for (const app of sources.values()) {
      const known = await deps.checker.known(app);
      if (known?.problem && known.nextAt !== undefined) times.push(Math.max(known.nextAt, clock.now() + LEAST_MS));
    }
    return times;
  }

  /** The round after the one that began at `last`; always ahead. */
  function following(last: number, { interval, timezone }: HubSettings): number {
    const now = clock.now();
    if ('every' in interval) return afterInterval(last, interval.every, now);
    const key = `${timezone} ${interval.cron}`;
    try {
      if (cron?.key !== key) {
        void cron?.task.destroy();
        cron = { key, task: createTask(interval.cron, () => undefined, { timezone }) };
      }
      const [next, second] = cron.task.getNextRuns(2);
      if (!next) return afterInterval(last, FALLBACK_MS, now);
      const gap = second ? second.getTime() - next.getTime() : MINUTE;
      return next.getTime() + Math.floor(deps.random() * Math.min(5 * MINUTE, gap / 10));
    } catch (error) {
      log(`the check times “${interval.cron}” can't be read, once a day instead: ${String(error)}`);
      return afterInterval(last, FALLBACK_MS, now);
    }
  }

  function afterInterval(last: number, every: number, now: number): number {
    const next = last + every + Math.floor(deps.random() * Math.min(every / 10, 15 * MINUTE));
    // A round that took longer, or a shorter interval than until now: no extra round.
    return next > now ? next : now + every;
  }

  return {
    start() {
      nextRound = clock.now() + FIRST_MS;
      let times = timesOf(settings.current());
      ends.push(
        settings.onChange((changed) => {
          if (timesOf(changed) === times) return;
          times = timesOf(changed);
          // Before the first round there is nothing to change: that one comes anyway.
          if (lastRound === undefined) return;
          nextRound = following(lastRound, changed);
          alarm.ring(nextRound);
        }),
        // Somebody's question may have failed: it is asked again when they were told.
        deps.checker.onAsked(({ answered }) => {
          if (!answered) alarm.ring(clock.now() + RETRY_MS);
        }),
      );
      alarm.ring(nextRound);
    },
    async stop() {
      for (const end of ends) end();
      await alarm.stop();
      void cron?.task.destroy();
    },
  };
}

function timesOf({ interval, timezone }: HubSettings): string {
  return 'every' in interval ? String(interval.every) : `${timezone} ${interval.cron}`;
}
