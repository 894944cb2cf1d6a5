import type { Slots } from '../install/slots.ts';
import type { RestartDriver } from '../restart/contract.ts';
import type { Subject } from './contract.ts';

/** One start of an app as the checks see it: its driver knows the processes, its installation what they should run. */
export function subjectOf(of: {
  readonly app: string;
  readonly driver: Pick<RestartDriver, 'status' | 'pids'>;
  readonly slots: Pick<Slots, 'runs'>;
  /** The slot that it must run from. */
  readonly slot: string;
  readonly startId: string;
}): Subject {
  return {
    app: of.app,
    startId: of.startId,
    status: () => of.driver.status(of.app),
    pids: () => of.driver.pids(of.app, of.startId),
    runs: (pids) => of.slots.runs(of.slot, pids),
  };
}
