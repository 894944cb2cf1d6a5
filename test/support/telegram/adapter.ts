import { TIMINGS, type Timings } from '../../../adapters/telegram/polling.ts';
import type { PlatformDeps } from '../../../src/chat/contract.ts';
import { COMMANDS } from '../../../src/commands/index.ts';

/** Short waits, so that a test of a failure takes no minutes; what they are for stays the same. */
export const FAST: Timings = {
  ...TIMINGS,
  callMs: 1_500,
  pollSeconds: 2,
  pollGraceMs: 600,
  firstRetryMs: 20,
  lastRetryMs: 100,
  conflictMs: 400,
  settleMs: 50,
};

/** What an adapter is given, with what it said in its log. */
export function makeDeps(
  given: Partial<PlatformDeps> = {},
): PlatformDeps & { readonly logged: { event: string; data: Readonly<Record<string, unknown>> }[] } {
  const logged: { event: string; data: Readonly<Record<string, unknown>> }[] = [];
  return {
    commands: COMMANDS,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: () => 0.5,
    log: (event, data) => void logged.push({ event, data }),
    environment: {},
    ...given,
    logged,
  };
}
