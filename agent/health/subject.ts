import type { AppConfig } from '../../config/agent-schema.ts';
import type { Slots } from '../install/slots.ts';
import type { RestartDriver } from '../restart/contract.ts';
import type { CommandInSlot } from '../restart/surroundings.ts';
import type { Subject } from './contract.ts';
import type { StartLogs } from './start-log.ts';

/** What the checks need to know of the device, beside the app itself. */
export interface Around {
  readonly commands: CommandInSlot;
  readonly startLogs: StartLogs;
  /** The log of an app. */
  readonly logOf: (app: string) => string;
}

/** One start of an app as the checks see it: its driver knows the processes, its installation what they should run. */
export function subjectOf(of: {
  readonly app: string;
  readonly config: AppConfig;
  readonly driver: Pick<RestartDriver, 'status' | 'pids' | 'ready' | 'printed'>;
  readonly slots: Pick<Slots, 'runs' | 'path'>;
  /** The slot that it must run from. */
  readonly slot: string;
  readonly startId: string;
  readonly around: Around;
}): Subject {
  const { app, driver, startId, around } = of;
  return {
    app,
    startId,
    status: () => driver.status(app),
    pids: () => driver.pids(app, startId),
    runs: (pids) => of.slots.runs(of.slot, pids),
    command: (command) => around.commands(app, of.config, of.slots.path(of.slot), command),
    printed: async (text) =>
      driver.printed ? driver.printed(app, startId, text) : around.startLogs.has(around.logOf(app), startId, text),
    ready: async () => driver.ready?.(app, startId),
  };
}
