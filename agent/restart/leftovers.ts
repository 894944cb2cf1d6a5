import { setTimeout as delay } from 'node:timers/promises';
import { FettleError } from '../../src/domain/errors.ts';
import type { StopHow } from './contract.ts';
import { findRunning, type Programs, signalAll, stillAlive } from './running.ts';

const GONE_MS = 5_000;
const LOOK_MS = 20;

/**
 * What survived the end of an app without a mark of it (`setsid env -i`): it would go on writing to the data that is
 * being switched. Found by what it runs, asked to end, then killed.
 *
 * @throws {FettleError} `stop_failed` where something is still there
 */
export async function endLeftovers(
  programs: Programs,
  how: StopHow,
  log: (text: string) => void = () => undefined,
): Promise<void> {
  let left = findRunning(programs);
  if (left.length === 0) return;
  log(`${programs.app}: ${left.map(({ pid }) => pid).join(', ')} outlived the stop without a mark of it`);
  signalAll(left, how.stop.signal);
  for (const [ms, signal] of [
    [how.stop.grace, 'SIGKILL'],
    [GONE_MS, undefined],
  ] as const) {
    const end = performance.now() + ms;
    do {
      // Once more from the beginning: it may have started others.
      if (stillAlive(left).length === 0) left = findRunning(programs);
      if (left.length === 0) return;
      await delay(LOOK_MS);
    } while (performance.now() < end);
    left = findRunning(programs);
    if (signal) signalAll(left, signal);
  }
  const reason = `still there: ${left.map(({ pid }) => pid).join(', ')}`;
  throw new FettleError('stop_failed', { data: { app: programs.app, reason } });
}
