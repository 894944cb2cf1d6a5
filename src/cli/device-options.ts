import { appendFileSync, existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { RescueOptions, Step } from '../../agent/rescue/contract.ts';
import { specFor } from '../../agent/restart/kept.ts';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { deviceFile, loadDeviceConfig } from '../../config/load-device.ts';
import { FettleError } from '../domain/errors.ts';
import { createRedactor } from '../domain/redact.ts';
import { machineClock } from './npm-tools.ts';
import { showError } from './show-error.ts';

/** What a command that works on this device alone is given. */
export interface DeviceCommand {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly app: string;
}

/** The exit code of what was ended by Ctrl-C, as shells have it. */
export const INTERRUPTED = 130;

/**
 * What there is to work with on this device, whatever is dead.
 * @returns `problem`: why the configuration can't be read; that alone is no obstacle
 * @throws {FettleError} `home_not_writable` where there is no home
 */
export async function deviceOptions(
  command: DeviceCommand,
  say: (step: Step) => void,
): Promise<{ readonly rescue: RescueOptions; readonly problem?: string | undefined }> {
  const { layout, environment, app } = command;
  if (!existsSync(layout.home)) {
    throw new FettleError('home_not_writable', { data: { home: layout.home, reason: 'there is no such folder' } });
  }
  const { config, problem } = await readConfig(command);
  const rescue: RescueOptions = {
    layout,
    app,
    keepData: false,
    force: false,
    config,
    spec: config ? specOf(command, config) : await ownSpec(command),
    environment: { ...environment.basic, ...environment.passed },
    userHome: environment.userHome,
    clock: machineClock,
    signal: onCtrlC(),
    say,
    log: (line) => logRescue(layout, line),
  };
  return { rescue, problem };
}

/** A file that can't be read is no obstacle: `keep.json` has what is needed most. */
async function readConfig({
  layout,
  config,
  app,
}: DeviceCommand): Promise<{ config?: AppConfig | undefined; problem?: string }> {
  try {
    const { apps } = loadDeviceConfig(deviceFile(layout, config));
    return { config: Object.hasOwn(apps, app) ? apps[app] : undefined };
  } catch (error) {
    return { problem: (await showError(error)).split('\n')[0] ?? '' };
  }
}

function specOf({ layout, environment, app }: DeviceCommand, config: AppConfig) {
  const installed = join(layout.app('agent').current, '.fettle', 'node');
  const node = existsSync(installed) ? realpathSync(installed) : process.execPath;
  // Nobody is asked while a start is described.
  const keeper = { ask: () => Promise.reject(new Error('not asked')), close: () => undefined };
  return specFor({ keeper, layout, node, basicEnvironment: environment.basic }, app, config);
}

async function ownSpec(options: DeviceCommand) {
  if (options.app !== 'hub' && options.app !== 'agent') return undefined;
  const { roleSpec } = await import('./up.ts');
  return roleSpec(options, options.app);
}

/** The first Ctrl-C ends the rescue where a second one can go on; the next ends this process. */
export function onCtrlC(): AbortSignal {
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
export function logRescue(layout: HomeLayout, line: string): void {
  try {
    appendFileSync(join(layout.logs, 'rescue.log'), `${new Date().toISOString()} ${createRedactor()(line)}\n`, {
      mode: 0o600,
    });
  } catch {
    // No room, or no folder.
  }
}
