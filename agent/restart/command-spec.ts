import { dirname } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { type KeptDriverDeps, specFor } from './kept.ts';

/** How a command of an app's configuration is run: where and as whom the app itself would be. */
export function commandSpec(deps: KeptDriverDeps, app: string, config: AppConfig, argv: readonly string[]): KeepSpec {
  const [program = '', ...rest] = argv;
  const spec = specFor(deps, app, { ...config, run: [program, ...rest] });
  return config.binary === undefined ? spec : { ...spec, cwd: dirname(config.binary) };
}
