import { TIMINGS, type Timings } from '../../../adapters/telegram/polling.ts';

/** Short waits, so that a test of a failure takes no minutes; what they are for stays the same. */
export const FAST: Timings = {
  ...TIMINGS,
  callMs: 1_500,
  pollSeconds: 1,
  pollGraceMs: 600,
  firstRetryMs: 20,
  lastRetryMs: 100,
  conflictMs: 400,
  settleMs: 50,
};
