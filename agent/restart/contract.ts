import type { AppConfig } from '../../config/agent-schema.ts';
import type { KeptApp, Started } from '../keeper/protocol.ts';

/** How an app is ended: what is left out is not done. */
export interface StopHow {
  readonly stop: Pick<AppConfig['stop'], 'signal' | 'grace'> & Partial<AppConfig['stop']>;
  /** Its processes are known by the executable that they run, too. */
  readonly binary?: string | undefined;
}

/** Starts and stops one app. `index.ts` lists the kinds; an app's `restart:` chooses one. */
export interface RestartDriver {
  readonly kind: AppConfig['restart']['kind'];
  /** A start while the app runs puts the new release in its place: a switch need not stop it. */
  readonly replaces?: true;
  /**
   * Can it start and stop this app at all, as things are on this device? Asked before anything is fetched; changes nothing.
   * @param runs do these processes run what is installed now?
   * @throws {FettleError} `driver_unusable {driver, reason}` with what to do
   */
  usable?(app: string, config: AppConfig, runs?: (pids: readonly number[]) => boolean): Promise<void>;
  /** Makes files and folders what the app's user needs. Safe to repeat; before each start. @throws {FettleError} `driver_unusable` */
  prepare?(app: string, config: AppConfig): Promise<void>;
  /** Tells the driver how the app is started from now on. Starts nothing. */
  define(app: string, config: AppConfig): Promise<void>;
  forget(app: string): Promise<void>;
  /** Leaves a durable promise that the app is started from `fallback` even if this agent never comes back. */
  hold(app: string, fallback: string | null, forMs: number): Promise<void>;
  release(app: string): Promise<void>;
  /** Runs the app's `stop.drain`. It ends with any status or with its time; neither keeps the app from being stopped. */
  drain?(app: string, config: AppConfig, signal: AbortSignal): Promise<void>;
  /** @throws {FettleError} `stop_failed` where something of the app survived even SIGKILL */
  stop(app: string, config: StopHow): Promise<void>;
  /** Where it runs already as it should, that is the answer. @throws {FettleError} `start_failed` */
  start(app: string): Promise<Started>;
  /**
   * Has the keeper go on starting it, for ever, until that works or a stop is asked for. Absent where a start that failed is
   * tried again anyway.
   */
  keepTrying?(app: string): Promise<void>;
  status(app: string): Promise<KeptApp | undefined>;
  /** Processes of that start which live now; none where it is over. */
  pids(app: string, startId: string): Promise<readonly number[]>;
  /** Has this start said `READY=1`? Absent where nothing here can hear it. */
  ready?(app: string, startId: string): Promise<boolean>;
  /** Has a line that this start printed the text in it? Absent where what it prints is in the app's log. */
  printed?(app: string, startId: string, text: string): Promise<boolean>;
  /** Names of everything that this driver was told to define and not yet to forget. */
  list(): Promise<readonly string[]>;
  /** The newest lines of what the app prints, where that is not in its log file. The caller redacts. */
  tail?(app: string, lines: number): Promise<string>;
}
