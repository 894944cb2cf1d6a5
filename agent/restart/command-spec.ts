import { dirname } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { type KeptDriverDeps, specFor } from './kept.ts';

/**
 * How a command of an app's configuration is run: where and as whom the app itself would be. It is not the app: nobody
 * listens for its READY=1, or the app's own socket would be taken from it.
 */
export function commandSpec(deps: KeptDriverDeps, app: string, config: AppConfig, argv: readonly string[]): KeepSpec {
  const [program = '', ...rest] = argv;
  const healthy = { ...config.healthy, notify: undefined };
  const spec = specFor(deps, app, { ...config, healthy, run: [program, ...rest] });
  return config.binary === undefined ? spec : { ...spec, cwd: dirname(config.binary) };
}
