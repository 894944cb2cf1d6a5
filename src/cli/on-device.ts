import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type { LocalOrder } from '../../agent/local/order-file.ts';
import { shortId } from '../domain/id.ts';
import { type DeviceCommand, deviceOptions, logRescue } from './device-options.ts';
import { giveOrder, type OrderExit } from './give-order.ts';
import { machineClock } from './npm-tools.ts';
import { stepLine } from './rescue-steps.ts';

export interface OnDevice extends DeviceCommand {
  readonly what: Pick<LocalOrder, 'kind'> & Partial<Pick<LocalOrder, 'withData' | 'backupSeq' | 'backup'>>;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** Hubs give ids of four characters: these are never theirs. */
const ID_LENGTH = 8;

/** `fettle rollback|restart APP`, `fettle backup restore`: what a chat can order, on the device alone. */
export async function runOnDevice(options: OnDevice): Promise<OrderExit> {
  const { layout, environment, app, json, what } = options;
  const print = (line: string) => {
    logRescue(layout, line);
    options.print(line);
  };
  const { rescue, problem } = await deviceOptions(options, (step) => {
    if (!json) print(stepLine(app, step));
  });
  if (problem !== undefined && !json) print(`${app}: the configuration can't be read: ${problem}`);
  const order: LocalOrder = {
    v: 1,
    update: shortId('u', (length) => randomBytes(length), ID_LENGTH),
    app,
    withData: false,
    ...what,
    by: whoAsks(environment.all),
    at: machineClock.now(),
  };
  return giveOrder({ order, rescue, language: environment.language ?? 'en', json, print });
}

/** The user who asks; behind `sudo`, the one who called it. */
export function whoAsks(environment: NodeJS.ProcessEnv): string {
  try {
    return (environment.SUDO_USER || userInfo().username).slice(0, 60) || 'somebody';
  } catch {
    return `user ${process.getuid?.() ?? ''}`.trim();
  }
}
