import type { Health } from '../../config/agent-schema.ts';
import type { KeptApp } from '../keeper/protocol.ts';

/** The process that is looked at: which start, from which slot. */
export interface Subject {
  readonly app: string;
  readonly startId: string;
  /** Real path of the slot it must run from. */
  readonly slot: string;
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

/** Asks the keeper how an app is. */
export type KeptStatus = (app: string) => Promise<KeptApp | undefined>;
