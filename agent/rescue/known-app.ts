import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type AppConfig, AppSchema } from '../../config/agent-schema.ts';
import type { AppFolder } from '../../config/home.ts';
import { isSelf } from '../../src/domain/app.ts';
import { createRedactor, type Redact, secretValues } from '../../src/domain/redact.ts';
import { listBackups } from '../backup/manifest.ts';
import { executableAt } from '../install/index.ts';
import { type KeptRecord, peekKeepFile } from '../keeper/keep-file.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { restartOf } from '../restart/way-back.ts';
import { Refused, type RescueOptions } from './contract.ts';

/** Everything that is known of the app without anybody being asked. */
export interface KnownApp {
  readonly app: string;
  readonly spec: KeepSpec;
  /** `keep.json` has it; otherwise the keeper has to be told. */
  readonly kept: KeptRecord | undefined;
  /** From the file, else made from what is known: then its process alone is watched. */
  readonly config: AppConfig;
  readonly configured: boolean;
  readonly redact: Redact;
}

/**
 * `keep.json` says how the app is started, the configuration how one knows that it is well; each stands in for the
 * other as far as it can.
 * @throws {Refused} `unknown-app` · `no-spec`
 */
export function knowApp(options: RescueOptions): KnownApp {
  const { layout, app } = options;
  const { records } = peekKeepFile(layout.keeper.keep);
  const kept = records.get(app);
  const folder = layout.app(app);
  if (!kept && !options.config && !existsSync(folder.dir)) {
    const known = new Set([...records.keys(), ...foldersIn(dirname(folder.dir))]);
    throw new Refused({ why: 'unknown-app', known: [...known].sort() });
  }
  const spec = kept?.spec ?? options.spec;
  if (!spec) throw new Refused({ why: 'no-spec' });
  const config = options.config ?? ownConfig(app) ?? madeFrom(app, spec, folder);
  const secrets = secretValues({ ...spec.env, ...config.env });
  return {
    app,
    spec,
    kept,
    config,
    configured: options.config !== undefined || isSelf(app),
    redact: createRedactor({ secrets, homes: [layout.home, options.userHome] }),
  };
}

function ownConfig(app: string): AppConfig | undefined {
  if (!isSelf(app)) return undefined;
  return AppSchema.parse({ run: app, healthy: { for: app === 'hub' ? '1s' : '5s' }, stop: { grace: '15s' } });
}

/** What can be told without the file: who starts it, how it ends, and from its backups, what it keeps. */
export function madeFrom(app: string, spec: KeepSpec, folder: AppFolder): AppConfig {
  const keep = new Set(listBackups(folder.backups, app).flatMap(({ roots }) => roots));
  const binary = executableAt(folder);
  // Where its data is, the file alone says: without it, none is put back.
  const made = AppSchema.parse({ run: 'unknown', ...(binary === undefined ? { keep: [...keep] } : { binary }) });
  return {
    ...made,
    restart: restartOf(spec),
    env: spec.env,
    stop: { ...made.stop, signal: spec.stopSignal, grace: spec.graceMs },
  };
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'releases')));
  } catch {
    return [];
  }
}
