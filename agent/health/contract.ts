import type { Command, Health } from '../../config/agent-schema.ts';
import type { KeptApp } from '../keeper/protocol.ts';
import type { InSlot } from '../restart/surroundings.ts';

/** What is looked at: one start of an app, by way of whatever starts it. */
export interface Subject {
  readonly app: string;
  readonly startId: string;
  /** How the app is, as its restart driver knows. */
  readonly status: () => Promise<KeptApp | undefined>;
  /** Processes of this start that live now. */
  readonly pids: () => Promise<readonly number[]>;
  /** Does one of these processes run what is to run? Read from /proc. */
  readonly runs: (pids: readonly number[]) => boolean;
  /** How a command of the app's file is run: in its slot, with its environment. */
  readonly command: (command: Command) => InSlot;
  /** Has it printed a line with this text since it was started? */
  readonly printed: (text: string) => Promise<boolean>;
  /** Has it said `READY=1`? `undefined` where nothing can hear it. */
  readonly ready: () => Promise<boolean | undefined>;
}

/** One look. A bad answer is a value; only what can't be looked at throws. */
export type Answer =
  | { readonly good: true; readonly version?: string | undefined }
  | {
      readonly good: false;
      readonly reason: string;
      /** `ended`: the process is gone, there is no point in looking again. */
      readonly ended?: boolean;
    };

/** One kind of check; `index.ts` lists them. Each look makes a new connection. */
export interface Check {
  readonly kind: string;
  /** Does the app's configuration ask for this check? */
  applies(health: Health): boolean;
  look(subject: Subject, health: Health, signal: AbortSignal): Promise<Answer>;
}
