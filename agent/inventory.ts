import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig } from '../config/agent-schema.ts';
import { isSelf } from '../src/domain/app.ts';
import type { AppReport } from '../src/protocol/messages.ts';
import type { Acquirer } from './acquire/index.ts';
import type { CrashWatch } from './crashes.ts';
import { look } from './health/probe.ts';
import { subjectOf } from './health/subject.ts';
import type { Slots } from './install/slots.ts';
import type { JournalEntry } from './journal.ts';
import type { RestartDriver } from './restart/contract.ts';
import type { Self } from './self/index.ts';
import { problemOf, type UpdaterDeps } from './updater/task.ts';

/** What this device runs, and how it is, as the hub is told. */

/** What runs is told often: a look that takes longer is an answer, too. */
const LOOK_MS = 2_000;
/** Longer than a look takes that ends by itself. */
const ANSWER_MS = 4_000;

export interface InventoryDeps extends Pick<UpdaterDeps, 'blocked' | 'around' | 'checks' | 'log'> {
  readonly acquirer: Pick<Acquirer, 'trust'>;
  readonly self: Self;
  readonly crashes: Pick<CrashWatch, 'looping'>;
  readonly slots: (app: string, config?: AppConfig) => Slots;
  readonly driver: (app: string, config: AppConfig) => RestartDriver;
  /** The update of an app that is under way. */
  readonly underWay: (app: string) => JournalEntry | undefined;
}

/** Never throws for what one app is like: whoever hangs or can't be asked is `unknown`. */
export function createInventory(
  deps: InventoryDeps,
): (apps: readonly (readonly [app: string, config: AppConfig])[]) => Promise<AppReport[]> {
  const { slots, driver } = deps;

  function report(app: string, config: AppConfig, health: AppReport['health'], trust: AppReport['trust']): AppReport {
    const current = slots(app).current();
    const record = current === undefined ? undefined : slots(app).record(current);
    const lastGood = slots(app).lastGood();
    const lastGoodVersion =
      lastGood === undefined || lastGood === current ? undefined : slots(app).record(lastGood)?.version;
    const running = deps.underWay(app);
    const crashing = deps.crashes.looping(app);
    return {
      app,
      ...(record ? { version: record.version, digest: record.digest } : {}),
      ...(lastGoodVersion === undefined ? {} : { lastGood: lastGoodVersion }),
      health,
      ...(config.healthy.http === undefined || isSelf(app) ? {} : { address: new URL(config.healthy.http).origin }),
      ...(running ? { update: running.order.update, state: running.state } : {}),
      blocked: [...deps.blocked.versions(app)],
      ...(crashing && !running ? { crashing } : {}),
      ...(trust ? { trust } : {}),
      ...(record || config.install === undefined ? {} : { install: config.install }),
    };
  }

  /** Who is asked may hang (systemd, a status command): what else runs here is told all the same. */
  async function healthOf(app: string, config: AppConfig, slot: string | undefined): Promise<AppReport['health']> {
    const answered = new AbortController();
    const late = delay(ANSWER_MS, 'unknown' as const, { signal: answered.signal }).catch(() => 'unknown' as const);
    const health = await Promise.race([healthNow(app, config, slot), late]);
    answered.abort();
    return health;
  }

  async function healthNow(app: string, config: AppConfig, slot: string | undefined): Promise<AppReport['health']> {
    if (slot === undefined) return 'stopped';
    try {
      const kept = await driver(app, config).status(app);
      if (!kept?.running) return 'stopped';
      const subject = subjectOf({
        app,
        config,
        driver: driver(app, config),
        slots: slots(app, config),
        slot,
        startId: kept.running.startId,
        around: deps.around,
      });
      const answer = await look(
        isSelf(app) ? deps.self.parts(app).checks : deps.checks,
        subject,
        config.healthy,
        AbortSignal.timeout(Math.min(LOOK_MS, config.healthy.timeout)),
      );
      return answer.good ? 'healthy' : 'ill';
    } catch (error) {
      deps.log(`${app}: its health is unknown: ${problemOf(error, app).code}`);
      return 'unknown';
    }
  }

  /** A file of rotations that can't be read stops updates, not what is told of the rest. */
  async function trustIn(app: string, config: AppConfig): Promise<AppReport['trust']> {
    try {
      const trust = await deps.acquirer.trust(app, config);
      return trust && { level: trust.level, by: [...trust.by] };
    } catch (error) {
      deps.log(`${app}: what its releases must have is unknown: ${String(error)}`);
      return undefined;
    }
  }

  return async (apps) => {
    const health = await Promise.all(apps.map(([app, config]) => healthOf(app, config, slots(app).current())));
    const trusts = await Promise.all(apps.map(([app, config]) => trustIn(app, config)));
    // The looks take time; everything else is read at one moment after the last of them: an order that was taken
    // meanwhile must not be told of as if there were none.
    return apps.map(([app, config], index) => report(app, config, health[index] ?? 'unknown', trusts[index]));
  };
}
