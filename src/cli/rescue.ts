import { appendFileSync, existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { RescueReport, Step } from '../../agent/rescue/contract.ts';
import { rescueApp } from '../../agent/rescue/rescue.ts';
import { specFor } from '../../agent/restart/kept.ts';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { loadConfig } from '../../config/load.ts';
import { FettleError } from '../domain/errors.ts';
import { machineClock } from './npm-tools.ts';
import { stepLine } from './rescue-steps.ts';
import { reportLines } from './rescue-text.ts';
import { showError } from './show-error.ts';

export interface RunRescueOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly app: string;
  readonly to: string | undefined;
  readonly keepData: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** The exit code of a rescue that was ended by Ctrl-C, as shells have it. */
const INTERRUPTED = 130;

/** `fettle rescue APP`. 0: it runs and is well · 1: it runs but is ill, or ended · 2: not started, or refused. */
export async function runRescue(options: RunRescueOptions): Promise<number> {
  const { layout, environment, app, json, print } = options;
  if (!existsSync(layout.home)) {
    throw new FettleError('home_not_writable', { data: { home: layout.home, reason: 'there is no such folder' } });
  }
  const { config, problem } = await readConfig(options);
  if (problem !== undefined && !json) print(`${app}: the configuration can't be read: ${problem}`);
  const told = onCtrlC();
  const say = (step: Step) => {
    const line = stepLine(app, step);
    log(layout, line);
    if (!json) print(line);
  };
  try {
    const report = await rescueApp({
      layout,
      app,
      to: options.to,
      keepData: options.keepData,
      force: options.force,
      config,
      spec: config ? specOf(options, config) : await ownSpec(options),
      environment: { ...environment.basic, ...environment.passed },
      userHome: environment.userHome,
      clock: machineClock,
      signal: told,
      say,
      log: (line) => log(layout, line),
    });
    const lines = reportLines(report, { configProblem: problem });
    for (const line of lines) log(layout, line);
    if (json)
      print(JSON.stringify({ ...report, exit: exitOf(report), ...(problem ? { configuration: problem } : {}) }));
    else for (const line of lines) print(line);
    return exitOf(report);
  } catch (error) {
    if (!told.aborted) throw error;
    if (json) print(JSON.stringify({ app, result: 'interrupted', exit: INTERRUPTED }));
    else print(`${app}: interrupted. \`fettle rescue ${app}\` goes on from here.`);
    return INTERRUPTED;
  }
}

function exitOf({ result }: RescueReport): number {
  if (result === 'well') return 0;
  return result === 'ill' || result === 'ended' ? 1 : 2;
}

/** A file that can't be read is no obstacle: `keep.json` has what is needed most. */
async function readConfig({
  layout,
  config,
  app,
}: RunRescueOptions): Promise<{ config?: AppConfig | undefined; problem?: string }> {
  try {
    const { apps } = loadConfig(config ?? layout.config).config;
    return { config: Object.hasOwn(apps, app) ? apps[app] : undefined };
  } catch (error) {
    return { problem: (await showError(error)).split('\n')[0] ?? '' };
  }
}

function specOf({ layout, environment, app }: RunRescueOptions, config: AppConfig) {
  const installed = join(layout.app('agent').current, '.fettle', 'node');
  const node = existsSync(installed) ? realpathSync(installed) : process.execPath;
  // Nobody is asked while a start is described.
  const keeper = { ask: () => Promise.reject(new Error('not asked')), close: () => undefined };
  return specFor({ keeper, layout, node, basicEnvironment: environment.basic }, app, config);
}

async function ownSpec(options: RunRescueOptions) {
  if (options.app !== 'hub' && options.app !== 'agent') return undefined;
  const { roleSpec } = await import('./up.ts');
  return roleSpec(options, options.app);
}

/** The first Ctrl-C ends the rescue where a second one can go on; the next ends this process. */
function onCtrlC(): AbortSignal {
  const told = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (told.signal.aborted) process.exit(INTERRUPTED);
      told.abort();
    });
  }
  return told.signal;
}

/** What a rescue did is looked for later, too. On a full disk it is not written, and that is no obstacle. */
function log(layout: HomeLayout, line: string): void {
  try {
    appendFileSync(join(layout.logs, 'rescue.log'), `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });
  } catch {
    // No room, or no folder.
  }
}
