import { realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { syncFolder, writeDurably } from '../../src/files/durable.ts';
import type { KeeperClient } from '../keeper/client.ts';
import { bootId, pidNamespace, readStat } from '../keeper/proc.ts';
import { isAlive } from '../keeper/processes.ts';
import type { KeepSpec, KeptApp, Started } from '../keeper/protocol.ts';
import type { ProcessIdentity } from '../keeper/scan.ts';
import { pidsInGroup } from './cgroup.ts';
import type { RestartDriver } from './contract.ts';
import { isUp, type Systemctl, SystemdRefusal, type UnitName, type UnitState } from './systemctl.ts';
import { CHECKED, checkFault, namesPlace, placeAdvice, placeOf, unitFault, userFault } from './unit-check.ts';
import { unitWayBack } from './way-back.ts';

export interface SystemdDriverDeps {
  readonly unit: UnitName;
  readonly systemctl: Systemctl;
  readonly layout: HomeLayout;
  readonly keeper: KeeperClient;
  /** Of the app's entry with the keeper, which holds it while the agent may be gone. */
  readonly kept: RestartDriver;
  /** PATH, XDG_RUNTIME_DIR and the like, for the keeper's own `systemctl`. */
  readonly env: Readonly<Record<string, string>>;
}

/** Shorter than the state's deadline, so that it is said what was waited for. */
const START_MS = 50_000;
/** How long a process may go on after SIGKILL. */
const SURVIVOR_MS = 5_000;
const LOOK_MS = 10;

/** The file that is there while an app is being switched: a unit may have it as a condition not to be started. */
export function heldMark(layout: HomeLayout, app: string): string {
  return join(layout.app(app).dir, 'held');
}

/**
 * A unit of systemd, the system's or the user's own. systemd starts, stops and restarts the app; what the unit says of
 * signals and time limits holds, but for the app's `stop.grace`, after which its processes are killed.
 *
 * The promise that the app is started even if the agent never comes back is the keeper's: an entry of its own whose
 * command starts the unit, run when the hold expires.
 */
export function createSystemdDriver(deps: SystemdDriverDeps): RestartDriver {
  const { unit, systemctl, layout, kept } = deps;
  const told = (app: string) => refusalOf(app, unit);
  const group = new Map<string, string>();
  /** Starts that are known to have printed a text. */
  const said = new Set<string>();
  /** The main process of the last look: while it lives, systemd need not be asked again. */
  let last: { readonly state: UnitState; readonly main: ProcessIdentity } | undefined;

  async function show(more?: readonly string[]): Promise<UnitState> {
    const state = await systemctl.show(unit, more);
    if (state.controlGroup !== '') group.set(state.invocation, state.controlGroup);
    const main = state.sub === 'running' ? identityOf(state.mainPid) : undefined;
    last = main && { state, main };
    return state;
  }

  async function quickShow(): Promise<UnitState> {
    return last && isAlive(last.main) ? last.state : show();
  }

  /** Groups of this unit that were seen: one may be left behind by a unit that counts as stopped. */
  const pidsNow = (state: UnitState) => [
    ...new Set([state.controlGroup, ...group.values()].flatMap((path) => pidsInGroup(path))),
  ];

  const startedOf = (app: string, state: UnitState): Started => ({
    startId: state.invocation,
    pid: state.mainPid,
    slot: realOf(layout.app(app).current),
    at: Date.now(),
  });

  async function start(app: string): Promise<Started> {
    const refused = (reason: string) => new FettleError('start_failed', { data: { app, unit: unit.unit, reason } });
    try {
      rmSync(heldMark(layout, app), { force: true });
      const before = await show();
      if (isRunning(before)) return startedOf(app, before);
      last = undefined;
      // A start limit that the other version reached would stop this one, too. Refused where nothing failed: fine.
      await systemctl.run(unit, ['reset-failed', '--', unit.unit]).catch(() => undefined);
      let refusal: SystemdRefusal | undefined;
      await systemctl.run(unit, ['start', '--', unit.unit], START_MS).catch((error: unknown) => {
        if (!(error instanceof SystemdRefusal)) throw error;
        refusal = error;
      });
      const state = await show();
      if (!refusal && isUp(state)) return startedOf(app, state);
      if (!refusal && !state.condition) throw refused(`a condition of ${unit.unit} is not met`);
      if (!refusal && state.invocation !== '' && state.invocation !== before.invocation) return startedOf(app, state);
      throw refused(whyNot(state, refusal));
    } catch (error) {
      if (error instanceof SystemdRefusal) throw refused(error.message);
      throw error;
    }
  }

  async function stop(app: string, graceMs: number): Promise<void> {
    const failed = (reason: string) => new FettleError('stop_failed', { data: { app, unit: unit.unit, reason } });
    const end = performance.now() + graceMs;
    // Nothing may be on its way to start it: the keeper's command neither.
    await kept.stop(app, { stop: { signal: 'SIGTERM', grace: 0 } }).catch(() => undefined);
    try {
      const before = await show();
      if (before.load === 'not-found' && !isUp(before) && pidsNow(before).length === 0) return;
      last = undefined;
      await systemctl.run(unit, ['stop', '--', unit.unit], graceMs + 1_000).catch((error: unknown) => {
        // It takes its time: SIGKILL is next. Anything else is an answer.
        if (!(error instanceof SystemdRefusal && error.late)) throw error;
      });
      let killedAt: number | undefined;
      for (;;) {
        const state = await show();
        const pids = pidsNow(state);
        const down = state.active === 'inactive' || state.active === 'failed';
        if (down && pids.length === 0) {
          group.clear();
          return;
        }
        const late = performance.now() >= end;
        // Only of a unit that systemd takes for stopped, or is stopping: another would be started again at once.
        if (down || (late && state.active === 'deactivating')) {
          killedAt ??= performance.now();
          for (const pid of pids) kill(pid);
        }
        const since = performance.now() - (killedAt ?? end);
        if (since > SURVIVOR_MS) throw failed(`${unit.unit} is still ${state.active}, processes: ${pids.join(', ')}`);
        await delay(LOOK_MS);
      }
    } catch (error) {
      if (error instanceof SystemdRefusal) throw failed(error.message);
      throw error;
    }
  }

  async function usable(app: string, config: AppConfig, runs?: (pids: readonly number[]) => boolean): Promise<void> {
    const unusable = (reason: string) =>
      new FettleError('driver_unusable', {
        data: { app, driver: `systemd ${unit.user ? 'user ' : ''}${unit.unit}`, reason },
      });
    try {
      const state = await show(CHECKED);
      const fault = unitFault(unit, state);
      if (fault !== undefined) throw unusable(fault);
      const triggers = (state.properties.TriggeredBy ?? '').split(' ').filter((name) => name !== '');
      for (const name of triggers) {
        if (isUp(await systemctl.show({ ...unit, unit: name })))
          throw unusable(`${name} would start it in the middle of a switch; stop and disable ${name}`);
      }
      const folder = layout.app(app);
      const deaf = checkFault(unit, state, config.healthy);
      if (deaf) throw new FettleError('check_unusable', { data: { app, ...deaf } });
      const barred = await userFault(state, config, folder, systemctl.mayEnter);
      if (barred !== undefined) throw unusable(barred);
      if (namesPlace(state, placeOf(config, folder))) return;
      const pids = isRunning(state) ? pidsInGroup(state.controlGroup) : [];
      if (pids.length > 0 && runs?.(pids)) return;
      throw unusable(`${unit.unit} does not run what Fettle installs: ${placeAdvice(config, folder)}`);
    } catch (error) {
      if (error instanceof SystemdRefusal) throw unusable(error.message);
      throw error;
    }
  }

  return {
    kind: 'systemd',
    usable,
    async define(app) {
      const entry = await kept.status(app);
      // Until its file said otherwise it was kept by Fettle itself: both at once would be twice.
      if (entry?.running && !entry.hold && !entry.fellBack)
        await kept.stop(app, { stop: { signal: 'SIGTERM', grace: 10_000 } });
      await deps.keeper.ask('keep', { app, spec: startSpec(deps, app) });
    },
    forget: (app) => kept.forget(app),
    async hold(app, fallback, forMs) {
      writeDurably(heldMark(layout, app), `${unit.unit}\n`, 0o644);
      await kept.hold(app, fallback, forMs);
    },
    async release(app) {
      rmSync(heldMark(layout, app), { force: true });
      syncFolder(layout.app(app).dir);
      await kept.release(app);
    },
    start,
    stop: (app, how) => stop(app, how.stop.grace),
    async keepTrying(app) {
      await kept.start(app);
    },
    async status(app): Promise<KeptApp | undefined> {
      const [state, entry] = await Promise.all([quickShow().catch(told(app)), kept.status(app)]);
      if (state.load === 'not-found') return undefined;
      return {
        // Whether it is to run is systemd's business, and whoever stops it by hand has a reason.
        desired: 'running',
        running: isRunning(state) ? startedOf(app, state) : null,
        hold: entry?.hold ?? null,
        crashes: state.restarts,
        lastExit: state.exit === null ? null : { code: state.exit, at: Date.now() },
        fellBack: entry?.fellBack ?? false,
      };
    },
    async pids(app, startId) {
      const state = await quickShow().catch(told(app));
      return state.invocation === startId ? pidsInGroup(state.controlGroup) : [];
    },
    async ready(app, startId) {
      const state = await quickShow().catch(told(app));
      // A unit of another type was refused.
      return state.invocation === startId && (state.active === 'active' || state.active === 'reloading');
    },
    async printed(_app, startId, text) {
      const key = `${startId}\0${text}`;
      if (!said.has(key) && (await systemctl.printed(unit, startId, text))) {
        // Of the newest start alone is asked again and again.
        said.clear();
        said.add(key);
      }
      return said.has(key);
    },
    list: async () => [],
    tail: (_app, lines) => systemctl.journal(unit, lines),
  };
}

/** A refusal of systemd's in words that people are shown. */
function refusalOf(app: string, { unit, user }: UnitName): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SystemdRefusal)) throw error;
    const driver = `systemd ${user ? 'user ' : ''}${unit}`;
    throw new FettleError('driver_unusable', {
      data: { app, driver, reason: error.message },
      retryable: error.late,
      cause: error,
    });
  };
}

/** Has it a process, or is it on its way to one? Not while systemd waits before the next try. */
function isRunning(state: UnitState): boolean {
  return isUp(state) && !state.sub.startsWith('auto-restart') && state.invocation !== '';
}

function whyNot(state: UnitState, refusal: SystemdRefusal | undefined): string {
  if (refusal?.late) return `it is not ready after ${START_MS / 1_000} s (${state.active}, ${state.sub})`;
  const how = state.exit === null ? '' : `, the process ended with status ${state.exit}`;
  return `${refusal?.message ?? `it is ${state.active}`} (${state.result}${how})`;
}

/** Of a binary in place there is none. */
function realOf(link: string): string {
  try {
    return realpathSync(link);
  } catch {
    return link;
  }
}

function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = pid > 0 ? readStat(pid) : undefined;
  return stat && { pid, startTime: stat.startTime, boot: bootId(), pidNamespace: pidNamespace() };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, or is not ours: what is left is seen, and told.
  }
}

/** What the keeper runs where the agent does not come back. */
function startSpec({ unit, layout, env }: SystemdDriverDeps, app: string): KeepSpec {
  return {
    dir: layout.app(app).dir,
    argv: unitWayBack(unit.unit, unit.user, heldMark(layout, app)),
    cwd: '/',
    env,
    log: layout.appLog(app),
    stopSignal: 'SIGTERM',
    graceMs: 5_000,
    once: true,
  };
}
