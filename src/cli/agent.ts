import { createAcquirer } from '../../agent/acquire/index.ts';
import { runAgent } from '../../agent/main.ts';
import type { HomeLayout } from '../../config/home.ts';
import { type Environment, loadConfig } from '../../config/load.ts';
import { createSeenFile } from '../origin/seen.ts';
import { machineClock, npmTools } from './npm-tools.ts';
import { untilTold } from './signals.ts';
import { VERSION } from './version.ts';

export interface RoleOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
}

/** Wires the agent and runs it until SIGTERM. */
export async function startAgent({ layout, environment, config }: RoleOptions): Promise<void> {
  const loaded = loadConfig(config ?? layout.config);
  const tools = npmTools(environment, layout.agent.dir);
  const node = process.execPath;
  const acquirer = createAcquirer({
    npm: tools.origin,
    package: {
      node,
      npmCli: tools.npmCli,
      cache: tools.cache,
      npmrc: tools.npmrc,
      env: tools.env,
      clock: machineClock,
    },
    seen: createSeenFile(layout.agent.seen),
    clock: machineClock,
    fetch: globalThis.fetch,
    platform: `${process.platform}-${process.arch}`,
  });
  await runAgent({
    layout,
    config: { apps: loaded.config.apps },
    version: VERSION,
    node,
    acquirer,
    basicEnvironment: environment.basic,
    userHome: environment.userHome,
    clock: machineClock,
    log: (line) => console.error(`${new Date().toISOString()} ${line}`),
    signal: untilTold(),
  });
}
