import { z } from 'zod';
import { type Command, command } from './words.ts';

const SIGNALS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGTERM'] as const;
const EXPECTED =
  'expected `kept`, `systemd UNIT`, `systemd user UNIT`, `command PROGRAM`, `signal SIGUSR2`, or {start: …, stop: …}';

/** Who starts and stops an app. */
export type Restart =
  | { readonly kind: 'kept' }
  | { readonly kind: 'systemd'; readonly unit: string; readonly user: boolean }
  | { readonly kind: 'command'; readonly start: Command; readonly stop: Command; readonly status?: Command | undefined }
  | { readonly kind: 'signal'; readonly signal: (typeof SIGNALS)[number] };

const words = z.string().transform((text, context): Restart => {
  const [kind = '', ...rest] = text.trim().split(/\s+/);
  if (kind === 'kept' && rest.length === 0) return { kind };
  if (kind === 'systemd') {
    const [first, second] = rest;
    const name = first === 'user' && second !== undefined ? second : first;
    if (rest.length === (name === first ? 1 : 2) && name !== undefined && /^[A-Za-z0-9:_.@\\-]+$/.test(name)) {
      return { kind, unit: /\.[a-z]+$/.test(name) ? name : `${name}.service`, user: name !== first };
    }
  }
  if (kind === 'command' && rest.length > 0) {
    // As init scripts have it: `PROGRAM start`, `PROGRAM stop`, `PROGRAM status`.
    const program = text.trim().slice('command'.length).trim();
    return { kind, start: `${program} start`, stop: `${program} stop`, status: `${program} status` };
  }
  if (kind === 'signal' && rest.length === 1) {
    const signal = SIGNALS.find((one) => one === rest[0]);
    if (signal) return { kind, signal };
  }
  context.addIssue({ code: 'custom', message: EXPECTED });
  return z.NEVER;
});

const commands = z
  .strictObject({
    start: command.describe('Starts the app, and ends.'),
    stop: command.describe('Ends the app.'),
    status: command.optional().describe('Ends with status 0 while the app runs.'),
  })
  .transform((value): Restart => ({ kind: 'command', ...value }));

export const RestartSchema = z.union([words, commands], { error: EXPECTED });
