import { type SpawnOptions, spawn as spawnByNode } from 'node:child_process';

/** Runs one child to its end: in a group of its own, with a deadline, its output bounded, killed whole. */

export type Spawn = typeof spawnByNode;

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Bytes kept of each stream. Standard output past it ends the child; of standard error the newest stay. */
  readonly maxOutput: number;
  /** Called with standard error as it comes. */
  readonly onError?: ((text: string) => void) | undefined;
  /** Called with standard output as it comes; none of it is kept then, and there may be any amount. */
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  /**
   * Ends what left the group (`setsid`). Called when the child is stopped, and once after its end: it returns when
   * nothing is left.
   */
  readonly endStrays?: (() => void) | undefined;
  readonly spawn?: Spawn | undefined;
}

/** How it ended. `stopped` says that we ended it, and why. */
export interface ChildResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stopped?: 'aborted' | 'deadline' | 'output' | undefined;
}

/** So long after its end a child's pipes may still hold something unread. Milliseconds. */
const SILENT_MS = 1_000;
/** A stranger who holds them and goes on writing is not listened to for longer. */
const STRANGER_MS = 5_000;

/**
 * Resolves once the child is reaped and its pipes are closed, or silent where somebody else still holds them. The
 * group gets SIGKILL, at once: what we run this way writes into folders that are thrown away or content-addressed, and half a second of grace would let a
 * cancelled installation start another script.
 *
 * @throws the system's error where it can't be started at all (ENOENT, EACCES)
 */
export function runChild(options: ChildOptions): Promise<ChildResult> {
  const { signal } = options;
  if (signal.aborted) return Promise.resolve({ code: null, stdout: '', stderr: '', stopped: 'aborted' });
  const spawnOptions: SpawnOptions = {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  };
  return new Promise((resolve, reject) => {
    const child = (options.spawn ?? spawnByNode)(options.command, [...options.args], spawnOptions);
    const out: Buffer[] = [];
    let outBytes = 0;
    let err = '';
    let stopped: ChildResult['stopped'];
    const stop = (why: NonNullable<ChildResult['stopped']>) => {
      stopped ??= why;
      killGroup(child.pid);
      options.endStrays?.();
    };
    const timer = setTimeout(() => stop('deadline'), options.deadlineMs);
    const onAbort = () => stop('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    let pipes: NodeJS.Timeout | undefined;
    const settle = () => {
      clearTimeout(timer);
      clearTimeout(pipes);
      signal.removeEventListener('abort', onAbort);
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      if (options.onOutput) {
        options.onOutput(chunk);
        return;
      }
      outBytes += chunk.length;
      if (outBytes > options.maxOutput) stop('output');
      else out.push(chunk);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      err = (err + text).slice(-options.maxOutput);
      options.onError?.(text);
    });
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    let silent: NodeJS.Timeout | undefined;
    const letGo = () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const endPipes = () => {
      clearTimeout(silent);
      silent = setTimeout(letGo, SILENT_MS);
    };
    child.once('exit', () => {
      // What it left behind in its group holds the pipes open and would outlive us.
      killGroup(child.pid);
      options.endStrays?.();
      // So does what it started in a session of its own, which the group's end does not reach.
      pipes = setTimeout(letGo, STRANGER_MS);
      endPipes();
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', endPipes);
    });
    child.once('close', (code) => {
      clearTimeout(silent);
      settle();
      resolve({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: err, stopped });
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: it is gone already.
  }
}
