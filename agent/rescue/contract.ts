import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import type { Clock } from '../../src/domain/id.ts';
import type { UpdateState } from '../../src/domain/update.ts';
import type { Problem } from '../../src/protocol/messages.ts';
import type { KeepSpec } from '../keeper/protocol.ts';

/** What `fettle rescue` is given. It asks for nothing that may be broken: no hub, no agent, no keeper, no network. */
export interface RescueOptions {
  readonly layout: HomeLayout;
  readonly app: string;
  /** A version or a slot's name: this one, instead of the one that rescue would choose. */
  readonly to?: string | undefined;
  /** Data stays as it is, also where an interrupted update would bring it back. */
  readonly keepData: boolean;
  /** Also where the app is well, and where the agent has an update of it under way. */
  readonly force: boolean;
  /** The app's configuration; absent where the file can't be read or does not name it. */
  readonly config?: AppConfig | undefined;
  /** How to start it where `keep.json` does not say; absent where the configuration does not either. */
  readonly spec?: KeepSpec | undefined;
  readonly environment: NodeJS.ProcessEnv;
  readonly userHome: string;
  readonly clock: Clock;
  /** Its end means: stop where a second rescue can go on. */
  readonly signal: AbortSignal;
  readonly say: (step: Step) => void;
  /** Lines for who looks later. Never throws. */
  readonly log: (line: string) => void;
}

/** What is wrong with a slot. */
export type SlotFault = 'missing' | 'unsealed' | 'no-program';

/** Something that was found, beside what is done about it. */
export type Found =
  | { readonly kind: 'current'; readonly slot: string | null; readonly fault: SlotFault | 'no-link' }
  | { readonly kind: 'last-good'; readonly slot: string; readonly fault: SlotFault; readonly now: string | null }
  | { readonly kind: 'ill' | 'ended' | 'not-started'; readonly version: string; readonly problem: Problem }
  | { readonly kind: 'crashed'; readonly times: number }
  | { readonly kind: 'journal-unreadable'; readonly files: readonly string[] }
  | { readonly kind: 'no-configuration' }
  | { readonly kind: 'interrupted'; readonly update: string; readonly state: UpdateState };

/** One line of progress. */
export type Step =
  | { readonly step: 'found'; readonly found: Found }
  | { readonly step: 'going-back'; readonly state: UpdateState; readonly to: string | null }
  | { readonly step: 'waiting' | 'stopping' | 'agent-stopped' | 'keeper-starting' }
  | { readonly step: 'switching' | 'starting' | 'checking'; readonly version: string };

/** Why nothing was done. */
export type Refusal =
  | { readonly why: 'unknown-app'; readonly known: readonly string[] }
  | { readonly why: 'not-installed' }
  | { readonly why: 'other-user'; readonly uid: number }
  | { readonly why: 'rescue-runs' }
  | { readonly why: 'keeper-silent'; readonly pids: readonly number[] }
  | { readonly why: 'agent-alone'; readonly pids: readonly number[] }
  | { readonly why: 'update-runs'; readonly update: string; readonly state: UpdateState }
  | { readonly why: 'no-spec' }
  | { readonly why: 'no-such-slot'; readonly slots: readonly { readonly slot: string; readonly version?: string }[] };

export interface RescueReport {
  readonly app: string;
  /** `well` runs and answers · `ill` runs · `ended` was started · `not-started` · `refused` nothing was touched. */
  readonly result: 'well' | 'ill' | 'ended' | 'not-started' | 'refused';
  /** It was well before, and nothing was done. */
  readonly already: boolean;
  readonly refusal?: Refusal | undefined;
  readonly version?: string | undefined;
  readonly slot?: string | undefined;
  readonly pid?: number | undefined;
  readonly address?: string | undefined;
  readonly found: readonly Found[];
  /** The interrupted update that was ended here. */
  readonly update?:
    | { readonly id: string; readonly state: UpdateState; readonly dataRestored: boolean; readonly setAside?: string }
    | undefined;
  readonly problem?: Problem | undefined;
  readonly log: string;
  /** The end of the app's log, redacted, where it is not well. */
  readonly logTail?: string | undefined;
  /** A keeper watches it. */
  readonly watched: boolean;
}

/** Thrown where nothing can or may be done; caught by the rescue itself. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.why);
    this.refusal = refusal;
  }
}
