/**
 * Stops a program and starts it again as a person's script would: SIGTERM, wait for its end, start. A small process,
 * because starting a child takes longer from a big one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';

export interface Program {
  readonly node: string;
  readonly script: string;
  readonly cwd: string;
  readonly log: string;
  readonly env: Readonly<Record<string, string>>;
}

export type ByHand = { readonly start: Program } | { readonly restart: true };

let program: Program | undefined;
let child: ChildProcess | undefined;
let log = 0;

function start(): void {
  if (!program) throw new Error('nothing to start');
  child = spawn(program.node, [program.script], { cwd: program.cwd, env: program.env, stdio: ['ignore', log, log] });
}

process.on('disconnect', () => {
  child?.kill('SIGKILL');
  process.exit(0);
});
process.on('message', (message: ByHand) => {
  if ('start' in message) {
    program = message.start;
    log = openSync(program.log, 'a');
    start();
    process.send?.('started');
    return;
  }
  child?.once('exit', () => {
    start();
    process.send?.('started');
  });
  child?.kill('SIGTERM');
});
