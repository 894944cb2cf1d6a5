import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Health } from '../../config/agent-schema.ts';
import type { Subject } from '../health/contract.ts';
import { isLoopback } from '../health/http.ts';
import { pidsOf, runsFrom } from '../keeper/processes.ts';
import { findReceiver, type notifyPaths, receiving, saidReady } from '../restart/notify.ts';
import type { CommandInSlot, InSlot } from '../restart/surroundings.ts';

/** A candidate that runs beside the one that serves. */
export interface Booted {
  readonly subject: Subject;
  /** The end of what it printed; the caller redacts. */
  printed(): string;
}

const MAX_OUTPUT = 64 * 1024;

export interface BootOptions {
  readonly app: string;
  /** In `FETTLE_START`, by which everything that it starts is found. */
  readonly mark: string;
  /** Program, working folder and environment, all within the copy. */
  readonly start: InSlot;
  readonly command: (command: Parameters<CommandInSlot>[3]) => InSlot;
  readonly health: Health;
  readonly notify: ReturnType<typeof notifyPaths>;
}

/**
 * Starts the candidate in a session of its own; it is ended by its mark. What it prints is read from pipes: a candidate
 * whose agent dies has nobody to print to.
 *
 * @throws the system's error where it can't be started
 */
export async function boot(options: BootOptions): Promise<Booted> {
  const { app, mark, start, health, notify } = options;
  const receiver = health.notify ? findReceiver(start.env.PATH) : undefined;
  const [program = '', ...args] = receiver ? receiving(receiver, notify, start.argv) : start.argv;
  const child = spawn(program, args, {
    cwd: start.cwd,
    env: { ...start.env, FETTLE_START: mark },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  let said = false;
  let exit: number | null | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      const all = tail + text;
      said ||= health.log !== undefined && all.includes(health.log);
      tail = all.slice(-MAX_OUTPUT);
    });
  }
  child.once('exit', (code) => {
    exit = code;
  });
  await once(child, 'spawn');
  child.on('error', () => undefined);
  const at = Date.now();
  return {
    printed: () => tail,
    subject: {
      app,
      startId: mark,
      status: async () => ({
        desired: 'running',
        running: exit === undefined ? { startId: mark, pid: child.pid ?? 0, slot: start.cwd, at } : null,
        hold: null,
        crashes: 0,
        lastExit: exit === undefined ? null : { code: exit, at },
        fellBack: false,
      }),
      pids: async () => pidsOf(mark),
      runs: (pids) => runsFrom(pids, start.cwd),
      command: options.command,
      printed: async () => said,
      ready: async () => (receiver ? saidReady(notify, mark) : undefined),
    },
  };
}

/** The same checks on another port of this machine: never on that of the version that serves. */
export function healthOn(port: number, health: Health): Health {
  let http: string | undefined;
  if (health.http !== undefined) {
    const url = new URL(health.http);
    if (!isLoopback(url.hostname)) url.hostname = '127.0.0.1';
    url.port = String(port);
    http = url.href;
  }
  const tcp = health.tcp && { host: isLoopback(health.tcp.host) ? health.tcp.host : '127.0.0.1', port };
  return { ...health, http, tcp };
}
