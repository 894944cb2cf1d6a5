import { randomUUID } from 'node:crypto';
import { lstatSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isSelf } from '../../src/domain/app.ts';
import { FettleError, isErrorCode } from '../../src/domain/errors.ts';
import type { Problem } from '../../src/protocol/messages.ts';
import { look, probe } from '../health/probe.ts';
import { subjectOf } from '../health/subject.ts';
import { KeeperRefusal } from '../keeper/client.ts';
import type { Started } from '../keeper/protocol.ts';
import { deadlineOf } from '../updater/deadlines.ts';
import { problemOf } from '../updater/task.ts';
import type { SlotState } from './candidates.ts';
import type { GoBack } from './go-back.ts';

/** How an app is, or how an attempt at starting it ended. */
export interface State {
  readonly result: 'well' | 'ill' | 'ended' | 'not-started';
  readonly started?: Started | undefined;
  readonly problem?: Problem | undefined;
}

/** It must stay well for so long, or as long as its configuration says where that is less. */
const SETTLED_MS = 3_000;
/** One look at an app that should be well. */
const LOOK_MS = 10_000;
/** An app that has just been started is given so long to answer for the first time. */
const PATIENCE_MS = 30_000;
/** A hold lasts longer than everything that is done under it. */
const SPARE_MS = 2 * 60_000;

/** How the app is now. One that was started a moment ago may still be on its way. */
export async function stateNow({ known, driver, slots, checks, options }: GoBack): Promise<State> {
  const { app, config } = known;
  const running = (await driver.status(app))?.running;
  if (!running) return { result: 'ended' };
  const slot = (slots.binary ? slots.current() : running.slot.split('/').at(-1)) ?? '';
  const subject = subjectOf({ app, driver, slots, slot, startId: running.startId });
  const { signal, clock, say } = options;
  const answer = await look(
    checks,
    subject,
    config.healthy,
    AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]),
  ).catch((error: unknown) => {
    signal.throwIfAborted();
    return { good: false as const, reason: String(error) };
  });
  if (answer.good) return { result: 'well', started: running };
  const young = running.at + Math.min(PATIENCE_MS, deadlineOf(config, 'probing')) - clock.now();
  if (young <= 0) return { result: 'ill', started: running, problem: illBecause(app, answer.reason) };
  say({ step: 'waiting' });
  return prove({ app, slot, version: null, started: running, limitMs: young });

  function illBecause(name: string, reason: string): Problem {
    return { code: 'health_failed', data: { app: name, reason }, retryable: false };
  }

  async function prove(what: { app: string; slot: string; version: string | null; started: Started; limitMs: number }) {
    return proven({ known, checks, options, driver, slots }, what);
  }
}

/**
 * Starts the app from a slot: hold, stop, switch, start, proof. The hold stays: the caller releases it at the end.
 * Interrupted anywhere, a keeper starts that slot when the hold is over, and a second rescue goes on.
 */
export async function bring(context: GoBack, target: SlotState): Promise<State> {
  const { known, driver, slots, options } = context;
  const { app, config } = known;
  const { signal, say, layout } = options;
  const version = target.record?.version ?? target.slot;
  const limitMs = deadlineOf(config, 'probing');
  const step = () => signal.throwIfAborted();
  try {
    // A hold on the agent is something else: the deadline of its own update.
    if (app !== 'agent') await holdOrMakeRoom();
    step();
    const kept = await driver.status(app);
    if (kept?.running) say({ step: 'stopping' });
    await driver.stop(app, config);
    step();
    const before = slots.current();
    // One executable: which one is there is seen, and the links may say something else.
    if (before !== target.slot || slots.binary) {
      say({ step: 'switching', version });
      if (before !== undefined && before !== target.slot && !isSelf(app)) slots.collectKept(before, config.keep);
      moveFolderAside(layout.app(app).current);
      slots.activate(target.slot);
    }
    step();
    say({ step: 'starting', version });
    const started = await driver.start(app);
    say({ step: 'checking', version });
    return await proven(context, {
      app,
      slot: target.slot,
      version: target.record?.version ?? null,
      started,
      limitMs,
    });
  } catch (error) {
    signal.throwIfAborted();
    return { result: 'not-started', problem: problemOf(asOurs(error), app) };
  }

  async function holdOrMakeRoom(): Promise<void> {
    const hold = () => driver.hold(app, target.slot, limitMs + config.stop.grace + SPARE_MS);
    try {
      await hold();
    } catch {
      // A full disk: the agent's reserve is for this.
      makeRoom();
      // Without a keeper the hold is for the one that comes later alone: its absence is no reason not to start.
      await hold().catch((error: unknown) => {
        if (!context.alone) throw error;
        options.log(`the hold could not be written: ${String(error)}`);
      });
    }
  }

  function makeRoom(): void {
    try {
      rmSync(join(layout.agent.dir, 'ballast'), { force: true });
    } catch {
      // A read-only disk has no room to give.
    }
  }
}

/** Somebody copied a home without its links: a folder can't be replaced by a link in one step, and may have data. */
function moveFolderAside(current: string): void {
  if (!lstatSync(current, { throwIfNoEntry: false })?.isDirectory()) return;
  renameSync(current, `${current}-was-a-folder-${randomUUID().slice(0, 8)}`);
}

/** A refusal of the keeper's says by its code what it is about. */
export function asOurs(error: unknown): unknown {
  if (!(error instanceof KeeperRefusal) || !isErrorCode(error.code)) return error;
  return new FettleError(error.code, { data: { reason: error.message.replace(/^\w+: reason=/, '') }, cause: error });
}

async function proven(
  { known, checks, options, driver, slots }: Pick<GoBack, 'known' | 'checks' | 'options' | 'driver' | 'slots'>,
  what: { app: string; slot: string; version: string | null; started: Started; limitMs: number },
): Promise<State> {
  const { app, slot, version, started, limitMs } = what;
  const { signal, clock } = options;
  const health = known.config.healthy;
  const subject = subjectOf({ app, driver, slots, slot, startId: started.startId });
  try {
    await probe(
      checks,
      {
        // Without its configuration nobody knows what its processes should look like.
        subject: known.configured ? subject : { ...subject, runs: () => true },
        health,
        version,
        periodMs: Math.min(health.for, isSelf(app) ? health.for : SETTLED_MS),
      },
      clock,
      AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
    );
    return { result: 'well', started };
  } catch (error) {
    signal.throwIfAborted();
    const known = problemOf(error, app);
    const problem = version === null ? known : { ...known, data: { version, ...known.data } };
    return problem.code === 'crashed' ? { result: 'ended', problem } : { result: 'ill', started, problem };
  }
}
