import { setTimeout as delay } from 'node:timers/promises';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import type { InitRecord, Runner } from './contract.ts';
import type { Plan } from './plan.ts';
import { lives } from './processes.ts';
import { writeRecord } from './record.ts';
import { refuseWriters } from './refusals.ts';
import { doStep, type StepDeps } from './steps.ts';

/** Takes an app over, or goes on where an earlier try was cut off. */

export type AdoptDeps = Omit<StepDeps, 'app' | 'folder' | 'check'> & { readonly layout: HomeLayout };

/** How long a process has that is asked to end. */
const STOP_MS = 30_000;

/** @throws the reason of the step that failed; the record says what was begun */
export async function adopt(plan: Plan, deps: AdoptDeps): Promise<InitRecord> {
  const { app, found, steps } = plan;
  const record: InitRecord = {
    v: 1,
    app,
    path: found.path,
    kind: found.kind,
    state: 'adopting',
    at: deps.now(),
    steps,
  };
  writeRecord(deps.layout.app(app).dir, record);
  return finish(record, deps);
}

/** Does every step of a record, those that are done already among them, and notes that it is through. */
export async function finish(record: InitRecord, deps: AdoptDeps): Promise<InitRecord> {
  const folder = deps.layout.app(record.app);
  const check = (path: string) => refuseWriters(record.path, [path]);
  for (const step of record.steps) {
    deps.signal.throwIfAborted();
    await doStep(step, { ...deps, app: record.app, folder, check });
  }
  const adopted: InitRecord = { ...record, state: 'adopted' };
  writeRecord(folder.dir, adopted);
  return adopted;
}

/**
 * Asks processes to end that were named by the person and run the app by hand.
 * @throws {FettleError} `init_refused`: not one of them, kept by somebody, or still there
 */
export async function stopRunners(
  path: string,
  pids: readonly number[],
  runners: readonly Runner[],
  signal: AbortSignal,
): Promise<void> {
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path, reason, advice } });
  for (const pid of pids) {
    const runner = runners.find((one) => one.pid === pid);
    if (!runner) throw refuse(`pid ${pid} does not run it`, 'Nothing was stopped.');
    if (runner.by.kind !== 'hand')
      throw refuse(`pid ${pid} is kept by ${runner.by.name}, which would start it again`, 'Stop it there.');
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended meanwhile.
    }
  }
  const end = performance.now() + STOP_MS;
  while (pids.some(lives)) {
    if (performance.now() > end)
      throw refuse(`pid ${pids.filter(lives).join(', ')} did not end within ${STOP_MS / 1_000} s`, 'Stop it yourself.');
    await delay(50, undefined, { signal });
  }
}
