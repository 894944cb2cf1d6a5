import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createKeeperClient } from '../../agent/keeper/client.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import { createSystemctl, isUp, systemctlEnvironment } from '../../agent/restart/systemctl.ts';
import type { Environment } from '../../config/environment.ts';
import { type HomeLayout, readServiceRecord, type ServiceRecord } from '../../config/home.ts';
import { FettleError } from '../domain/errors.ts';

/** The longest grace that an app may have is 10 minutes. */
const END_MS = 12 * 60_000;

/** `fettle down`: asks the keeper to end everything, and waits until it has. */
export async function runDown(layout: HomeLayout, environment: Environment): Promise<number> {
  const service = readServiceRecord(layout.home);
  if (service && (await stopService(service, environment))) return 0;
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

/** systemd would start it again, so it is systemd that stops it. False where it does not run it. */
async function stopService({ units, user }: ServiceRecord, environment: Environment): Promise<boolean> {
  const systemctl = createSystemctl({ env: systemctlEnvironment(environment.basic) });
  const active = async (unit: string) => {
    try {
      return isUp(await systemctl.show({ unit, user }));
    } catch {
      return false;
    }
  };
  if (!(await Promise.all(units.map(active))).includes(true)) return false;
  const command = `systemctl ${user ? '--user ' : ''}`;
  try {
    await systemctl.run({ user }, ['stop', ...units], END_MS);
  } catch (error) {
    throw new FettleError('service_refused', {
      data: { reason: String((error as Error).message), advice: `${command}stop ${units.join(' ')}` },
      cause: error,
    });
  }
  console.log(`Stopped. It starts again with the machine, or by \`${command}start ${units.join(' ')}\`.`);
  return true;
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
