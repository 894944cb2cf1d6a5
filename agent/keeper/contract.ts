import type { KeepFile, KeptRecord } from './keep-file.ts';
import type { Log } from './log.ts';
import type { Hold, KeepSpec, KeptApp, Started } from './protocol.ts';
import type { KeeperTimes } from './times.ts';

/** One kept app, as the rest of the keeper sees it. Whatever changes it waits for what is under way. */
export interface App {
  readonly status: () => KeptApp;
  keep(spec: KeepSpec): Promise<void>;
  start(): Promise<Started>;
  restart(): Promise<Started>;
  stop(how?: StopOptions): Promise<{ gone: boolean; exit: number | null }>;
  hold(hold: Hold): Promise<void>;
  release(): Promise<void>;
  commit(): Promise<void>;
  /**
   * Lets go of the app where it does not run; `next` is what `keep.json` has of it from then on, `undefined`: nothing.
   * @throws {FettleError} `busy`
   */
  replace(next: KeptRecord | undefined): Promise<void>;
  /** The first thing asked of it: goes on from what an earlier keeper left. */
  resume(): Promise<void>;
  /** The time of a hold is up, or who left it will not come back. */
  expire(): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export interface StopOptions {
  readonly signal?: KeepSpec['stopSignal'];
  readonly graceMs?: number;
  /** For the keeper's own end: the next keeper starts the app again. */
  readonly keepDesired?: boolean;
}

export interface AppDeps {
  readonly name: string;
  readonly file: KeepFile;
  readonly exits: string;
  readonly times: KeeperTimes;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Log;
  newStartId(app: string): string;
  /** The keeper is going away: nothing more is started. */
  ending(): boolean;
  /** The agent has failed three times: holds are up. */
  agentFailed(): void;
}
