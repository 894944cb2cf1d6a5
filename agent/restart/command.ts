import { existsSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig, Command } from '../../config/agent-schema.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { bootId } from '../keeper/proc.ts';
import { isAlive, type ProcessIdentity } from '../keeper/processes.ts';
import type { KeepSpec, Started } from '../keeper/protocol.ts';
import { words } from './command-line.ts';
import { commandSpec } from './command-spec.ts';
import type { RestartDriver } from './contract.ts';
import type { KeptDriverDeps } from './kept.ts';
import { markLog, printedSinceMark } from './printed.ts';
import { type CommandEnd, runCommand } from './run-command.ts';
import { endsWith, findRunning, programsOf, signalAll, stillAlive } from './running.ts';
import { commandWayBack } from './way-back.ts';

/** Less than the deadline of `starting`, so that the reason is this one. */
const START_MS = 50_000;
/** Beyond the app's own grace. */
const STOP_MS = 30_000;
const STATUS_MS = 10_000;
/** A daemon may need a moment after its command has ended. */
const APPEAR_MS = 5_000;
const GONE_MS = 5_000;
const LOOK_MS = 20;
/** So many looks must find the same process: on its way, a daemon forks and leaves its parents behind. */
const SETTLED_LOOKS = 4;

/**
 * Commands of one's own start and stop the app, and end. Its processes are found by what they run, so the stop is
 * verified whatever the command says. A start command that stays in the foreground is no start: `kept` is for such.
 */
export function createCommandDriver(
  deps: KeptDriverDeps,
  app: string,
  config: AppConfig,
  kept: RestartDriver,
): RestartDriver {
  const { keeper, layout } = deps;
  const { restart } = config;
  if (restart.kind !== 'command') throw new FettleError('internal', { data: { reason: 'not a command driver' } });
  const commands = restart;
  const folder = layout.app(app);
  const programs = programsOf(app, folder, config);

  function specOf(command: Command): KeepSpec {
    return commandSpec(deps, app, config, words(command));
  }

  /** What the keeper does when the agent does not come back. */
  function wayBack(): KeepSpec {
    const start = specOf(commands.start);
    return { ...start, argv: commandWayBack(start.argv, specOf(commands.stop).argv), once: true };
  }

  async function saysRunning(): Promise<boolean | undefined> {
    if (restart.kind !== 'command' || restart.status === undefined || !isThere()) return undefined;
    // What it prints each time would fill the app's log.
    const { code } = await runCommand({ ...specOf(restart.status), log: '/dev/null' }, STATUS_MS);
    return code === 0;
  }

  /** Before the first installation there is no folder that a command could be run in. */
  function isThere(): boolean {
    return config.binary !== undefined || existsSync(folder.current);
  }

  async function running(): Promise<Started | null> {
    const found = findRunning(programs);
    if ((await saysRunning()) ?? found.length > 0) return startedOf(found[0]);
    return null;
  }

  function startedOf(process: ProcessIdentity | undefined): Started {
    const slot = slotNow();
    const boot = bootId();
    if (process === undefined) return { startId: `${boot}.status`, pid: 0, slot, at: Date.now() };
    return { startId: idOf(process), pid: process.pid, slot, at: Date.now() };
  }

  function slotNow(): string {
    try {
      return realpathSync(folder.current);
    } catch {
      return folder.dir;
    }
  }

  // Whom a command starts, nobody hears saying READY=1.
  const { ready: _, ...others } = kept;
  return {
    ...others,
    kind: 'command',
    async usable(_app, _config, runs) {
      await kept.usable?.(app, config, runs);
      if (endsWith(programs)) throw unusable('Fettle itself runs inside the app, and would end with it');
      const { knows = [] } = await keeper.ask('hello', {});
      if (!knows.includes('once')) throw unusable('the keeper is of an earlier version; update Fettle first');
    },
    async define() {
      await kept.prepare?.(app, config);
      await keeper.ask('keep', { app, spec: wayBack() });
    },
    async stop(_app, how) {
      const before = findRunning(programs);
      // A way back that the keeper is on would start it again.
      await keeper.ask('stop', { app }, { timeoutMs: STOP_MS }).catch(() => undefined);
      let reason = '';
      try {
        if (!isThere() && before.length === 0) return;
        const ended = await runCommand(specOf(restart.stop), how.stop.grace + STOP_MS);
        if (ended.code !== 0) reason = saidBy('stop', ended);
      } catch (error) {
        reason = String(error);
      }
      const left = () => stillAlive([...before, ...findRunning(programs)]);
      if (!(await within(how.stop.grace, () => left().length === 0))) {
        signalAll(left(), 'SIGKILL');
        if (!(await within(GONE_MS, () => left().length === 0))) {
          const pids = left().map(({ pid }) => pid);
          throw new FettleError('stop_failed', {
            data: { app, reason: `still there: ${pids.join(', ')}. ${reason}` },
          });
        }
      }
      if (await saysRunning()) {
        throw new FettleError('stop_failed', {
          data: { app, reason: `its status command says that it runs. ${reason}` },
        });
      }
    },
    async start() {
      const already = await running();
      if (already) return already;
      await kept.prepare?.(app, config);
      const log = layout.appLog(app);
      markLog(log, `${app}.command.${Date.now()}`);
      let ended: CommandEnd;
      try {
        ended = await runCommand(specOf(restart.start), START_MS);
      } catch (error) {
        throw toFettleError(error, 'start_failed', { app, log });
      }
      if (ended.code !== 0) {
        throw new FettleError('start_failed', { data: { app, log, reason: saidBy('start', ended) } });
      }
      const started = await settled(async () => findRunning(programs)[0]);
      if (started) return startedOf(started);
      if (await saysRunning()) return startedOf(undefined);
      const reason = `the start command ended with status 0, but nothing runs from ${config.binary ?? 'its slot'}`;
      throw new FettleError('start_failed', { data: { app, log, reason } });
    },
    async keepTrying() {
      await kept.start(app);
    },
    async status() {
      const entry = (await keeper.ask('status', {})).apps[app];
      if (!entry?.once) return undefined;
      // Who stops it by hand wants it stopped: the agent does not start it again.
      return { ...entry, desired: 'running', running: await running() };
    },
    printed: async (_app, _startId, text) => printedSinceMark(layout.appLog(app), text),
    async pids(_app, startId) {
      const found = findRunning(programs);
      const lives = startId.endsWith('.status') || found.some((process) => idOf(process) === startId);
      return lives ? found.map(({ pid }) => pid) : [];
    },
  };

  function unusable(reason: string): FettleError {
    return new FettleError('driver_unusable', { data: { app, driver: 'command', reason } });
  }
}

function idOf({ boot, pid, startTime }: ProcessIdentity): string {
  return `${boot}.${pid}.${startTime}`;
}

function saidBy(what: string, { code, output }: CommandEnd): string {
  const how = code === undefined ? 'did not end in time, and was ended' : `ended with status ${code ?? 'unknown'}`;
  return `the ${what} command ${how}${output === '' ? '' : `: ${output}`}`;
}

/** The process that several looks in a row find. */
async function settled(look: () => Promise<ProcessIdentity | undefined>): Promise<ProcessIdentity | undefined> {
  const end = performance.now() + APPEAR_MS;
  let seen: ProcessIdentity | undefined;
  let times = 0;
  for (;;) {
    const now = await look();
    times = now && seen && idOf(now) === idOf(seen) ? times + 1 : 1;
    seen = now;
    if (seen && times >= SETTLED_LOOKS && isAlive(seen)) return seen;
    if (performance.now() >= end) return seen;
    await delay(LOOK_MS);
  }
}

async function within(ms: number, condition: () => boolean): Promise<boolean> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() >= end) return false;
    await delay(LOOK_MS);
  }
  return true;
}
