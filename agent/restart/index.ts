import type { AppConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { RestartDriver } from './contract.ts';
import { createKeptDriver, type KeptDriverDeps } from './kept.ts';

/** Every restart driver, by the word that configuration uses. */
export function restartDrivers(deps: KeptDriverDeps): Readonly<Record<AppConfig['restart'], RestartDriver>> {
  return { kept: createKeptDriver(deps) };
}

/** The driver where no keeper runs: it says so at once, rather than wait for one that nobody starts. */
export function withoutKeeper(driver: RestartDriver): RestartDriver {
  const refuse = async (): Promise<never> => {
    throw new FettleError('keeper_unreachable', { data: { reason: 'no keeper was started here' }, retryable: true });
  };
  return {
    kind: driver.kind,
    define: refuse,
    forget: refuse,
    hold: refuse,
    release: refuse,
    stop: refuse,
    start: refuse,
    status: refuse,
    list: async () => [],
  };
}
