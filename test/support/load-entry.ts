/**
 * A load generator in a process of its own: `node load-entry.ts PORT RATE`, as a child with an IPC channel.
 * Open loop: RATE requests a second are begun whatever becomes of those before, each on a connection of its own, so
 * nothing is left out while the app is slow or gone. What is late is late; a failure is a refused, broken or empty
 * connection, and one without an answer in `PATIENCE_MS`. The app closes each connection, so the ports here are free
 * again at once.
 * Any message is answered with a `LoadReport` so far; the message `end` begins no more requests, and is answered when
 * all have ended.
 */
import { connect } from 'node:net';
import type { LoadReport } from './load.ts';

const PATIENCE_MS = 20_000;
/** More addresses than needed: 28,000 ports each. */
const SOURCES = 8;
const TICK_MS = 2;

const port = Number(process.argv[2]);
const rate = Number(process.argv[3]);
const began = performance.now();
const failures: Record<string, number> = {};
const pids = new Set<number>();
let sent = 0;
let answered = 0;
let failed = 0;
let slowestMs = 0;
let endedAt: number | undefined;

function request(): void {
  sent += 1;
  const at = performance.now();
  let text = '';
  let problem: string | undefined;
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (sent % SOURCES)}` });
  socket.setTimeout(PATIENCE_MS, () => {
    problem = 'ETIMEDOUT';
    socket.destroy();
  });
  socket.setEncoding('latin1');
  socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n'));
  socket.on('data', (piece: string) => {
    text += piece;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    problem = error.code ?? error.message;
  });
  socket.on('close', () => {
    slowestMs = Math.max(slowestMs, performance.now() - at);
    const pid = /^HTTP\/1\.1 200 [\s\S]*\r\n\r\npid (\d+)$/.exec(text)?.[1];
    if (problem === undefined && pid !== undefined) {
      answered += 1;
      pids.add(Number(pid));
    } else {
      failed += 1;
      const why = problem ?? (text === '' ? 'no answer' : 'a broken answer');
      failures[why] = (failures[why] ?? 0) + 1;
    }
    if (endedAt !== undefined && answered + failed === sent) report();
  });
}

function report(): void {
  const seconds = ((endedAt ?? performance.now()) - began) / 1_000;
  const made: LoadReport = { sent, answered, failed, failures, pids: [...pids], seconds, slowestMs };
  process.send?.(made);
}

const ticking = setInterval(() => {
  const due = Math.floor(((performance.now() - began) / 1_000) * rate);
  while (sent < due) request();
}, TICK_MS);

process.on('message', (message) => {
  if (message === 'end') {
    endedAt = performance.now();
    clearInterval(ticking);
    if (answered + failed < sent) return;
  }
  report();
});
// Whoever wanted the figures is gone.
process.on('disconnect', () => process.exit(0));
