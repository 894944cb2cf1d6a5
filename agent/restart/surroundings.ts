import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { AppConfig, Command } from '../../config/agent-schema.ts';
import { resolveTarget } from '../install/target.ts';
import { words } from './command-line.ts';
import { OWN_VARIABLES, runAs, userOf, variablesOf } from './user.ts';

/** What an app's program, and every command of its file, finds around it. `{slot}` stands for the slot's real path. */
export interface Surroundings {
  /** Node that runs apps of kind package; its folder comes first in their PATH after the slot's programs. */
  readonly node: string;
  /** PATH, HOME, LANG, TZ of this machine. */
  readonly basicEnvironment: Readonly<Record<string, string>>;
}

/** One program with what it needs to run in a slot. */
export interface InSlot {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs commands of an app's file where, and with the environment in which, the app itself runs. */
export type CommandInSlot = (app: string, config: AppConfig, slot: string, command: Command) => InSlot;

export const SLOT = '{slot}';

/** Where an app runs: in its slot; one executable where it is, and so is what it works on. */
export function homeOf(config: Pick<AppConfig, 'binary'>): string {
  return config.binary === undefined ? SLOT : dirname(resolveTarget(config.binary));
}

/** The app's whole environment: minimal, and nothing of Fettle's own but its name. */
export function environmentOf(
  { node, basicEnvironment }: Surroundings,
  app: string,
  config: Pick<AppConfig, 'env' | 'binary' | 'user' | 'restart'>,
): Record<string, string> {
  const { PATH: basicPath, ...basics } = basicEnvironment;
  const user = userOf(app, config);
  // Variables of Fettle's own user mean nothing to another.
  const left = user ? OWN_VARIABLES : [];
  const otherBasics = {
    ...Object.fromEntries(Object.entries(basics).filter(([name]) => !left.includes(name))),
    ...(user ? variablesOf(user) : {}),
  };
  const programs = config.binary === undefined ? join(SLOT, 'node_modules', '.bin') : homeOf(config);
  const path = [programs, dirname(node), basicPath ?? '/usr/local/bin:/usr/bin:/bin'];
  return { ...otherBasics, ...config.env, PATH: config.env.PATH ?? path.join(delimiter), FETTLE_APP: app };
}

/** A program of the slot is found through PATH, which is resolved at each start; `./x` is a path in the slot. */
export function argvOf({ node }: Pick<Surroundings, 'node'>, command: Command, home = SLOT): string[] {
  const [program = '', ...rest] = words(command);
  const argv0 = isAbsolute(program) || !program.includes('/') ? program : join(home, program);
  return [argv0 === 'node' ? node : argv0, ...rest];
}

/** Puts a slot's path in the place of `{slot}`. */
export function inSlot(
  slot: string,
  of: { readonly argv: readonly string[]; readonly env: InSlot['env']; readonly home?: string },
): InSlot {
  const fill = (text: string) => text.replaceAll(SLOT, slot);
  const env = Object.fromEntries(Object.entries(of.env).map(([name, value]) => [name, fill(value)]));
  return { argv: of.argv.map(fill), cwd: fill(of.home ?? SLOT), env };
}

export function commandsIn(surroundings: Surroundings): CommandInSlot {
  return (app, config, slot, command) => {
    const user = userOf(app, config);
    const argv = argvOf(surroundings, command, homeOf(config));
    const env = environmentOf(surroundings, app, config);
    return inSlot(slot, { ...runAs(user, argv, env), home: homeOf(config) });
  };
}
