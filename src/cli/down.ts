import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createKeeperClient } from '../../agent/keeper/client.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../domain/errors.ts';

/** The longest grace that an app may have is 10 minutes. */
const END_MS = 12 * 60_000;

/** `fettle down`: asks the keeper to end everything, and waits until it has. */
export async function runDown(layout: HomeLayout): Promise<number> {
  if (!existsSync(layout.keeper.dir) || !isHeld(layout)) {
    console.log(`Nothing of ${layout.home} is running.`);
    return 0;
  }
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    // It answers when everything has ended, which an app's grace may delay.
    await keeper.ask('shutdown', {}, { timeoutMs: END_MS });
  } catch (error) {
    if (isHeld(layout)) {
      throw new FettleError('keeper_unreachable', {
        data: { reason: String(error), log: layout.keeper.log },
        cause: error,
      });
    }
  } finally {
    keeper.close();
  }
  const end = performance.now() + END_MS;
  while (isHeld(layout)) {
    if (performance.now() > end)
      throw new FettleError('keeper_unreachable', { data: { reason: 'it does not end', log: layout.keeper.log } });
    await delay(50);
  }
  console.log('Stopped.');
  return 0;
}

function isHeld(layout: HomeLayout): boolean {
  try {
    takeLock(layout.keeper.lock).release();
    return false;
  } catch (error) {
    if (error instanceof FettleError && error.code === 'home_in_use') return true;
    throw error;
  }
}
