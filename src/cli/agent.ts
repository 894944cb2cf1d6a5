import { createAcquirer } from '../../agent/acquire/index.ts';
import { type Journal, openJournal } from '../../agent/journal.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import { runAgent } from '../../agent/main.ts';
import type { HomeLayout } from '../../config/home.ts';
import { type Environment, loadConfig } from '../../config/load.ts';
import { makeFolder } from '../files/durable.ts';
import { createSeenFile } from '../origin/seen.ts';
import { machineClock, npmTools } from './npm-tools.ts';
import { untilTold } from './signals.ts';
import { VERSION } from './version.ts';

export interface RoleOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
}

/**
 * Wires the agent and runs it until SIGTERM.
 * @param watch lets a test see the journal's writes; handed through as it is otherwise
 */
export async function startAgent(
  { layout, environment, config }: RoleOptions,
  watch: (journal: Journal) => Journal = (journal) => journal,
): Promise<void> {
  makeFolder(layout.agent.dir);
  const lock = takeLock(layout.agent.lock);
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
    journal: watch(openJournal(layout.agent.journal)),
    basicEnvironment: environment.basic,
    userHome: environment.userHome,
    clock: machineClock,
    log: (line) => console.error(`${new Date().toISOString()} ${line}`),
    signal: untilTold(),
  });
  lock.release();
}
