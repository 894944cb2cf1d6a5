/**
 * What is said on the keeper's socket: one JSON object a line, a request answered by one response with its `id`.
 * The keeper has no dependencies, so it checks what comes in by hand (`parse.ts`).
 */

/** How an app is started. `{slot}` in `argv`, `cwd` and `env` values becomes the real path of `DIR/current`. */
export interface KeepSpec {
  /** The app's folder, with `current` and `last-good` in it. */
  readonly dir: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment, but for what `inherit` names and `FETTLE_START`, which the keeper sets. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables of the keeper's own environment that are handed on (for the hub and the agent: proxies, certificates). */
  readonly inherit?: readonly string[];
  /** Output goes here, appended; rotated by copy and truncate. */
  readonly log: string;
  readonly stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGQUIT';
  /** Then SIGKILL. Milliseconds. */
  readonly graceMs: number;
  /**
   * The command runs to its end, and what it starts is kept by something else (systemd, an init script): status 0 is
   * done, another is tried again with backoff. What it leaves behind carries no `FETTLE_START`, is not adopted and not
   * ended with it. The keeper runs it when it is asked to, and when a hold on it is over; never by itself at its start.
   */
  readonly once?: true;
  /**
   * The program may replace itself by a child of its own: while a hold is on it, what is left of a start that has ended
   * is the app.
   */
  readonly handsOver?: true;
}

/** Left by the agent before it stops an app, so that the app is started even if the agent never comes back. */
export interface Hold {
  /**
   * Slot that is started when the hold expires, relative to the app's folder (`releases/1.0.0-ab12cd34`); `.`: what is there, as
   * it is; null: none yet, so nothing is started.
   */
  readonly fallback: string | null;
  /** Milliseconds from now on (monotonic; a reboot starts it anew). */
  readonly forMs: number;
}

export interface KeeperRequests {
  hello: { params: Record<never, never>; result: KeeperHello };
  status: { params: Record<never, never>; result: { apps: Record<string, KeptApp> } };
  /** Defines or redefines an app, durably. Starts nothing. */
  keep: { params: { app: string; spec: KeepSpec }; result: Record<never, never> };
  /** Stops keeping an app that is stopped. */
  forget: { params: { app: string }; result: Record<never, never> };
  /** Starts an app, held or not; resolves once it was spawned. Already running: answers with what runs. */
  start: { params: { app: string }; result: Started };
  /** Ends an app and everything it left behind; resolves when it is verified gone. Not started again until `start`. */
  stop: {
    params: { app: string; signal?: KeepSpec['stopSignal']; graceMs?: number };
    result: { gone: boolean; exit: number | null };
  };
  /**
   * Stop and start in one, for who does not live to ask for the second half: the agent that restarts itself.
   * `desired` stays `running` all the while. Answered after the start (the agent's new self asks `status`).
   */
  restart: { params: { app: string }; result: Started };
  /**
   * While it lasts, the agent alone decides whether the app runs. A hold on `agent` itself is the deadline of its
   * own update: it goes on being started, and unless it calls `commit` in time it is ended and goes to the fallback.
   */
  hold: { params: { app: string; hold: Hold }; result: Record<never, never> };
  /** Ends a hold: from now on the keeper keeps the app running by itself. */
  release: { params: { app: string }; result: Record<never, never> };
  /** The agent (or hub) that asks is well: its start counter is cleared. */
  commit: { params: { app: string }; result: Record<never, never> };
  /** Ends the keeper alone, with exit code 75: the start script runs the one that `current` names, which adopts all. */
  renew: { params: Record<never, never>; result: Record<never, never> };
  /** Stops every app, then ends with exit code 0. */
  shutdown: { params: Record<never, never>; result: Record<never, never> };
}
/** Who answers. `knows` names what keepers of earlier versions did not: absent there. */
export interface KeeperHello {
  readonly pid: number;
  readonly version: string;
  readonly boot: string;
  readonly knows?: readonly string[];
}

/** What this keeper knows: `once` ({@link KeepSpec.once}). */
export const KEEPER_KNOWS: readonly string[] = ['once'];

export type KeeperOp = keyof KeeperRequests;

export interface Started {
  readonly startId: string;
  readonly pid: number;
  /** Real path of the slot it was started from. */
  readonly slot: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * `ends`: too many starts ended without a commit, the last with this status (as in {@link KeptApp.lastExit}); `time`:
 * nobody committed in time.
 */
export type FellBackFor = { readonly why: 'ends'; readonly code: number | null } | { readonly why: 'time' };

/** One app as the keeper sees it. */
export interface KeptApp {
  /** What it is kept at. */
  readonly desired: 'running' | 'stopped';
  /** The process that runs now, if one does. `pid` is that of the tiny shell above it; use {@link startId} to find all. */
  readonly running: Started | null;
  readonly hold: { readonly fallback: string | null; readonly leftMs: number } | null;
  /** Unasked-for ends since the last `commit` or `release`. */
  readonly crashes: number;
  /** How the last process ended: exit status, 128 + signal, null where unknown. */
  readonly lastExit: { readonly code: number | null; readonly at: number } | null;
  /** True where the keeper itself went to the fallback slot because the agent did not come back. */
  readonly fellBack: boolean;
  /** With {@link fellBack}: why, where this keeper knows it. */
  readonly fellBackFor?: FellBackFor;
  /** An entry whose command runs to its end. */
  readonly once?: true;
}

export type KeeperResponse =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };
