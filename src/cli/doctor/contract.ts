import type { HubStatus } from '../../../adapters/terminal/index.ts';
import type { Journal } from '../../../agent/journal.ts';
import type { KeptRecord } from '../../../agent/keeper/keep-file.ts';
import type { KeptApp } from '../../../agent/keeper/protocol.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import type { HubConfig } from '../../../config/hub-schema.ts';
import type { Clock } from '../../domain/id.ts';

/** One thing that was looked at: fine, worth a look, or wrong. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'wrong';
  readonly what: string;
  /** What to do about it. */
  readonly mend?: string | undefined;
}

/** What several checks need, read once. Nothing of it is changed. */
export interface Facts {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly clock: Clock;
  /** Take the time for what takes long. */
  readonly deep: boolean;
  /** Nobody outside this machine is asked. */
  readonly offline: boolean;
  /** The folder of the home is there. */
  readonly exists: boolean;
  readonly configFile: string;
  /** Absent where there is none, or it can't be read: then {@link configProblems} says why. */
  readonly config: HubConfig | undefined;
  readonly configProblems: readonly string[];
  readonly kept: ReadonlyMap<string, KeptRecord>;
  /** What in `keep.json` makes no sense; empty: nothing. */
  readonly keptBroken: string;
  readonly journal: Journal;
  /** The keeper that answers. */
  readonly keeper:
    | { readonly pid: number; readonly version: string; readonly apps: Record<string, KeptApp> }
    | undefined;
  /** The hub that answers. */
  readonly hub: HubStatus | undefined;
  /** Every app that the configuration, the keeper or the disk knows; `hub` and `agent` too. */
  readonly apps: readonly string[];
}

/** A group of findings under one title. It changes nothing, and notices the signal's end: its time is bounded. */
export interface Check {
  readonly title: string;
  /** Milliseconds; then it is said that it took too long. */
  readonly limitMs: number;
  /** The same with `--deep`, where that takes longer. */
  readonly deepLimitMs?: number;
  look(facts: Facts, signal: AbortSignal): AsyncIterable<Finding> | Iterable<Finding>;
}

export const ok = (what: string): Finding => ({ level: 'ok', what });
export const note = (what: string, mend?: string): Finding => ({ level: 'note', what, mend });
export const wrong = (what: string, mend?: string): Finding => ({ level: 'wrong', what, mend });
