import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { openSlots } from '../../agent/install/slots.ts';
import { SMALL_NODE } from '../../agent/keeper/start-stub.ts';
import { slotOfProgram } from '../../agent/self/index.ts';
import { countStart } from '../../agent/self/lone-start.ts';
import { BECAME, type Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { installSelf } from './install-self.ts';

/**
 * An agent without a keeper, a container's only process: it runs from the home's slot, like everywhere, so that it can
 * be updated there and survive the image that it came with. A newer image takes over; an older one makes way for what
 * is installed.
 */
export async function becomeCurrent(
  layout: HomeLayout,
  environment: Environment,
  config: string | undefined,
): Promise<void> {
  const folder = layout.app('agent');
  const running = slotOfProgram(process.argv[1], folder.releases);
  if (!environment.became) countStart(layout.agent.proving, folder);
  // It may be the one that was just gone back from.
  if (running !== undefined && (environment.became || running === openSlots(folder).current())) return;
  // From sources (development, tests) there is nothing that could be installed.
  if (!/\.js$/.test(realpathSync(process.argv[1] ?? ''))) return;
  if (running === undefined) await installSelf(layout, AbortSignal.timeout(5 * 60_000), ['agent']);
  if (openSlots(layout.app('agent')).current() !== undefined) execAgent(layout, environment, config);
}

/** Becomes the agent that `current` names: same process, same place, another program. Does not return. */
export function execAgent(layout: HomeLayout, environment: Environment, config: string | undefined): never {
  const slot = realpathSync(layout.app('agent').current);
  const node = realpathSync(join(slot, '.fettle', 'node'));
  const program = join(slot, '.fettle', 'fettle');
  if (!existsSync(program)) throw new Error(`${slot} has no program`);
  const args = [...SMALL_NODE.flags, program, 'agent', '--home', layout.home];
  if (config !== undefined) args.push('--config', config);
  const env = Object.fromEntries(
    Object.entries(environment.all).filter((e): e is [string, string] => e[1] !== undefined),
  );
  process.execve?.(node, [node, ...args], { ...env, ...SMALL_NODE.env, [BECAME]: '1' });
  throw new Error('this Node.js has no process.execve: it needs 22.15 or newer');
}
