import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { readTrimmed } from '../../src/files/durable.ts';
import { openInstallation } from '../install/index.ts';
import { readProc } from '../keeper/proc.ts';
import { findByStartId, isAlive, runsFrom } from '../keeper/processes.ts';
import type { KeepSpec, Started } from '../keeper/protocol.ts';
import type { RestartDriver } from './contract.ts';
import { type KeptDriverDeps, specFor } from './kept.ts';
import { notifyPaths, saidReady } from './notify.ts';
import { markLog, printedSinceMark } from './printed.ts';

/** Leaves time, within the deadline of a start, to stop and start it instead. */
const REPLACED_MS = 20_000;
const LOOK_MS = 10;

/**
 * Kept by the keeper; a switch does not stop it: it gets a signal, and the program goes on as what `current` names now,
 * in its own place (execve) or in a child that it hands over to.
 *
 * A start is done when a process of it runs from the new slot: what answers before that is the old image.
 */
export function createSignalDriver(
  deps: KeptDriverDeps,
  app: string,
  config: AppConfig,
  kept: RestartDriver,
): RestartDriver {
  const { restart } = config;
  if (restart.kind !== 'signal') throw new FettleError('internal', { data: { reason: 'not a signal driver' } });
  const { signal } = restart;
  const folder = deps.layout.app(app);
  const slots = openInstallation(folder, config);
  const log = deps.layout.appLog(app);
  const paths = notifyPaths(deps.layout, app);
  /** That an image said `READY=1` which was asked to become another one. */
  const oldWord = `${paths.ready}.old`;
  const limitMs = Math.min(REPLACED_MS, config.deadlines.probing ?? REPLACED_MS);

  const runsCurrent = (pids: readonly number[]) => {
    const slot = slots.current();
    return slot !== undefined && slots.runs(slot, pids);
  };
  /** What was read of a script at its path is not seen from outside: only a new image is known to be of the new one. */
  const surelyRunsCurrent = (pids: readonly number[]) => slots.binary?.isScript() !== true && runsCurrent(pids);

  /** By its argument alone, the link `current`: true of the old image too, so it says something of a new one only. */
  const throughLink = (pids: readonly number[]) => runsFrom(pids, folder.current);

  async function replace(running: Started): Promise<Started> {
    const before = imagesOf(running.startId);
    const main = before[0];
    // What the old image has said and printed is not the new one's word.
    // Its own word it remains, where it does not react.
    if (main) {
      if (saidReady(paths, running.startId)) leaveWord(oldWord, `${running.startId} ${nameOf(main)}`);
      rmSync(paths.ready, { force: true });
      markLog(log, signalMark(app, main));
    }
    if (main) send(main.pid, signal);
    const end = performance.now() + limitMs;
    for (;;) {
      const images = imagesOf(running.startId);
      const fresh = images.filter(({ pid, image }) => !before.some((old) => old.pid === pid && old.image === image));
      // What answers while the old image is there may be that.
      const old = images.some(
        (one) => one.pid === main?.pid && one.image === main.image && !surelyRunsCurrent([one.pid]),
      );
      const pids = images.map(({ pid }) => pid);
      if (!old && (runsCurrent(pids) || throughLink(fresh.map(({ pid }) => pid)))) break;
      // It died of it: what is started then is what `current` names.
      if (images.length === 0 && !findByStartId(running.startId).some(isAlive)) return kept.start(app);
      if (performance.now() >= end) {
        const reason = `nothing of it ran from the new release ${limitMs / 1_000} s after ${signal}`;
        throw new FettleError('start_failed', { data: { app, reason, log: deps.layout.appLog(app) } });
      }
      await delay(LOOK_MS);
    }
    return (await kept.status(app))?.running ?? kept.start(app);
  }

  return {
    ...kept,
    kind: 'signal',
    replaces: true,
    async define() {
      await kept.prepare?.(app, config);
      await deps.keeper.ask('keep', { app, spec: throughCurrent(specFor(deps, app, config), folder.current) });
    },
    async start() {
      const running = (await kept.status(app))?.running;
      if (!running || imagesOf(running.startId).length === 0) return kept.start(app);
      if (surelyRunsCurrent(imagesOf(running.startId).map(({ pid }) => pid))) return running;
      return replace(running);
    },
    printed: async (_app, startId, text) => {
      const marks = imagesOf(startId).map((image) => signalMark(app, image));
      return printedSinceMark(log, text, (id) => marks.includes(id));
    },
    ...(kept.ready
      ? {
          ready: async (_app: string, startId: string) =>
            saidReady(paths, startId) ||
            imagesOf(startId).some((image) => readTrimmed(oldWord) === `${startId} ${nameOf(image)}`),
        }
      : {}),
  };
}

/** What the program finds when it runs its own arguments again must be the new release: the link, not where it leads. */
export function throughCurrent(spec: KeepSpec, current: string): KeepSpec {
  const fill = (value: string) => value.replaceAll('{slot}', current);
  return {
    ...spec,
    argv: spec.argv.map(fill),
    cwd: fill(spec.cwd),
    env: Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, fill(value)])),
    handsOver: true,
  };
}

interface Image {
  readonly pid: number;
  readonly image: string;
}

function nameOf({ pid, image }: Image): string {
  return `${pid}.${createHash('sha256').update(image).digest('hex').slice(0, 16)}`;
}

/** In the log: this image is asked to become another one. As long as it is there, that has not come to pass. */
function signalMark(app: string, image: Image): string {
  return `${app}.signal.${nameOf(image)}`;
}

/** A full disk: then it must say it once more. */
function leaveWord(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch {
    rmSync(path, { force: true });
  }
}

/**
 * The start's own processes, the first of them first. Where the kernel puts things changes with each execve, and so
 * does `auxv`, which has those addresses.
 */
function imagesOf(startId: string): Image[] {
  return findByStartId(startId)
    .filter((process) => !process.wrapper && !process.unborn)
    .toSorted((a, b) => a.startTime - b.startTime)
    .map(({ pid }) => ({ pid, image: readProc(`/proc/${pid}/auxv`)?.toString('latin1') ?? '' }));
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it has ended, and is started.
  }
}
