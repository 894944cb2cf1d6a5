import type { AppConfig } from '../../config/agent-schema.ts';
import type { RestartDriver } from './contract.ts';
import { createKeptDriver, type KeptDriverDeps } from './kept.ts';

/** Every restart driver, by the word that configuration uses. */
export function restartDrivers(deps: KeptDriverDeps): Readonly<Record<AppConfig['restart'], RestartDriver>> {
  return { kept: createKeptDriver(deps) };
}
