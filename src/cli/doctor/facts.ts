import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { askStatus } from '../../../adapters/terminal/index.ts';
import { openJournal } from '../../../agent/journal.ts';
import { createKeeperClient } from '../../../agent/keeper/client.ts';
import { peekKeepFile } from '../../../agent/keeper/keep-file.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { type LoadedConfig, loadConfig } from '../../../config/load.ts';
import { homeFile } from '../../../config/load-device.ts';
import type { Clock } from '../../domain/id.ts';
import { showError } from '../show-error.ts';
import type { Facts } from './contract.ts';

const ASK_MS = 2_000;

/** Reads what the checks need. What does not answer within two seconds counts as away. */
export async function readFacts(options: {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly clock: Clock;
  readonly deep?: boolean | undefined;
  readonly offline?: boolean | undefined;
}): Promise<Facts> {
  const { layout, environment, clock } = options;
  const configFile = homeFile(layout, options.config);
  const { loaded, problems } = await readConfig(configFile);
  const { records, broken } = peekKeepFile(layout.keeper.keep);
  const folders = namesIn(dirname(layout.app('x').dir)).filter((name) => existsSync(layout.app(name).releases));
  const apps = new Set([...Object.keys(loaded?.config.apps ?? {}), ...records.keys(), ...folders]);
  const [keeper, hub] = await Promise.all([askKeeper(layout), askHub(layout)]);
  return {
    layout,
    environment,
    clock,
    deep: options.deep === true,
    offline: options.offline === true,
    exists: existsSync(layout.home),
    configFile,
    config: loaded?.config,
    configProblems: problems,
    kept: records,
    keptBroken: broken,
    journal: openJournal(layout.agent.journal),
    keeper,
    hub,
    apps: [...apps].sort(),
  };
}

async function readConfig(file: string): Promise<{ loaded?: LoadedConfig; problems: string[] }> {
  if (!existsSync(file)) return { problems: [] };
  try {
    return { loaded: loadConfig(file), problems: [] };
  } catch (error) {
    return { problems: (await showError(error)).split('\n') };
  }
}

async function askKeeper({ runtime }: HomeLayout): Promise<Facts['keeper']> {
  if (!existsSync(runtime.keeperSocket)) return undefined;
  const client = createKeeperClient(runtime.keeperSocket);
  try {
    const { pid, version } = await client.ask('hello', {}, { timeoutMs: ASK_MS });
    const { apps } = await client.ask('status', {}, { timeoutMs: ASK_MS });
    return { pid, version, apps };
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

async function askHub({ runtime }: HomeLayout): Promise<Facts['hub']> {
  if (!existsSync(runtime.hubSocket)) return undefined;
  return askStatus(runtime.hubSocket, ASK_MS).catch(() => undefined);
}

export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Names that end in `suffix`, as paths. */
export function pathsIn(folder: string, suffix: string): string[] {
  return namesIn(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name));
}
