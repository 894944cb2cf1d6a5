/**
 * Asks a web server a thousand times a second, each time on a new connection, and answers with the longest time
 * between two good answers.
 */
import { connect } from 'node:net';

export interface Watch {
  /** Where to ask from now on; starts anew. `null`: no more. */
  readonly port: number | null;
}

export interface Watched {
  readonly probes: number;
  readonly good: number;
  /** Between two good answers. Milliseconds. */
  readonly longestGapMs: number;
  /** Probes of that time that had no good answer. */
  readonly bad: number;
}

const REQUEST = 'GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const EVERY_MS = 1;
const TIMEOUT_MS = 2_000;

let epoch = 0;
let port: number | null = null;
let began = 0;
let probes = 0;
let good = 0;
let bad = 0;
let badSinceGood = 0;
let lastGood: number | undefined;
let longestGapMs = 0;

function probe(): void {
  if (port === null) return;
  const mine = epoch;
  let decided = false;
  probes += 1;
  const socket = connect({ port, host: '127.0.0.1' });
  const decide = (isGood: boolean) => {
    if (decided) return;
    decided = true;
    if (mine === epoch) note(isGood);
    // Without a close of our own: thousands of connections would be left in TIME_WAIT.
    socket.resetAndDestroy();
  };
  socket.setTimeout(TIMEOUT_MS, () => decide(false));
  socket.on('connect', () => socket.write(REQUEST));
  socket.on('data', (chunk) => decide(chunk.toString('latin1', 0, 12) === 'HTTP/1.1 200'));
  socket.on('error', () => decide(false));
  socket.on('close', () => decide(false));
}

function note(isGood: boolean): void {
  if (!isGood) {
    badSinceGood += 1;
    return;
  }
  const now = performance.now();
  good += 1;
  if (lastGood !== undefined && now - lastGood > longestGapMs) {
    longestGapMs = now - lastGood;
    bad = badSinceGood;
  }
  badSinceGood = 0;
  lastGood = now;
}

// As many as are due by the clock: a timer that comes late makes up for it.
function tick(): void {
  const due = Math.floor((performance.now() - began) / EVERY_MS);
  for (let i = 0; port !== null && probes < due && i < 20; i += 1) probe();
  setTimeout(tick, EVERY_MS);
}

process.on('disconnect', () => process.exit(0));
process.on('message', (message: Watch) => {
  const answer: Watched = { probes, good, longestGapMs, bad };
  epoch += 1;
  port = message.port;
  began = performance.now();
  probes = 0;
  good = 0;
  bad = 0;
  badSinceGood = 0;
  lastGood = undefined;
  longestGapMs = 0;
  process.send?.(answer);
});
tick();
