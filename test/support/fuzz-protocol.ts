import type { AgentMessage, HubMessage } from '../../src/protocol/messages.ts';

/** Messages that a hostile peer may think of: valid ones of every type, changed in every way that a seed draws. */

export type Draw = () => number;

/** mulberry32: the same numbers for the same seed. */
export function drawOf(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
export const pick = <T>(draw: Draw, of: readonly T[]): T => of[Math.floor(draw() * of.length)] as T;

const problem = {
  code: 'no_space',
  data: { app: 'web', reason: 'full', n: 1, yes: true, list: ['a'] },
  retryable: true,
};
const outcome = {
  ...{ update: 'u-1', app: 'web', kind: 'update', state: 'failed', from: '1.0.0', to: '1.1.0', running: '1.0.0' },
  ...{
    outageMs: 12,
    proof: 'slot',
    problem,
    logTail: 'the end\n',
    backup: 3,
    dataRestored: true,
    startedAt: 1,
    endedAt: 2,
  },
  restored: { seq: 1, at: 1, skipped: ['a'], absent: ['b'] },
};
const app = {
  ...{ app: 'web', version: '1.0.0', digest: 'sha256-abc', health: 'healthy', blocked: ['2.0.0'], update: 'u-1' },
  ...{ state: 'probing', crashing: { since: 1, times: 3 } },
};

/** One of each that an agent says. */
export const AGENT_SAMPLES: readonly AgentMessage[] = [
  { type: 'inventory', apps: [app], recovered: true },
  { type: 'order-ack', order: 'o-1', update: 'u-1', accepted: false, problem },
  {
    type: 'report',
    update: 'u-1',
    seq: 3,
    state: 'fetching',
    at: 1,
    progress: { unit: 'bytes', done: 1, total: 9, rate: 2 },
  },
  { type: 'report', update: 'u-1', seq: 4, state: 'waiting', at: 1, note: problem },
  { type: 'outcome', outcome },
  { type: 'local-outcome', outcome: { ...outcome, update: 'u-local' }, by: 'root', backupSeq: 2 },
  { type: 'cancel-result', update: 'u-1', accepted: true, state: 'fetching' },
  { type: 'lock-answer', update: 'u-1', asked: 'force', accepted: true, state: 'waiting' },
  { type: 'log', request: 'l-1', text: 'a line\n', problem },
  { type: 'backups', request: 'b-1', backups: [{ seq: 1, at: 1, bytes: 3, files: 1, ofRunning: true }], strange: [] },
  { type: 'unknown', seen: 'force' },
  {
    type: 'hello',
    device: 'd-1',
    name: 'x',
    nonce: 'n'.repeat(24),
    signature: 'x',
    version: '1',
    platform: 'linux-x64',
  },
] as unknown as readonly AgentMessage[];

const order = {
  ...{
    id: 'o-1',
    update: 'u-1',
    device: 'd-1',
    app: 'web',
    kind: 'update',
    withData: false,
    backup: true,
    force: false,
  },
  release: { version: '1.1.0', channel: 'stable', digest: 'sha256-abc' },
  ...{ notBefore: 1, expiresAt: 2 },
};

/** One of each that a hub says. */
export const HUB_SAMPLES: readonly HubMessage[] = [
  { type: 'order', order, now: 1, after: 1 },
  { type: 'order', order: { ...order, kind: 'restore', backupSeq: 1 } },
  { type: 'cancel', update: 'u-1' },
  { type: 'force', update: 'u-1' },
  { type: 'hold', update: 'u-1' },
  { type: 'outcome-ack', update: 'u-1' },
  { type: 'read-log', request: 'l-1', app: 'web', lines: 10 },
  { type: 'settings', retentionDays: 3 },
  { type: 'list-backups', request: 'b-1', app: 'web' },
  { type: 'unknown', seen: 'x' },
  { type: 'challenge', nonce: 'n'.repeat(24), hub: 'h', version: '1', now: 1 },
  { type: 'welcome', epoch: 1, signature: 'x', now: 1 },
] as unknown as readonly HubMessage[];

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'type',
  'then',
  '',
  '\u0000',
  'a'.repeat(5_000),
];
const TEXTS = [
  '',
  ' ',
  '../../etc/passwd',
  '__proto__',
  '\u0000\u001b[2J',
  '\ud800',
  '\u202e',
  '𝕏'.repeat(30),
  'x'.repeat(70_000),
  'é'.repeat(300),
  '\n'.repeat(90),
  '%s%n',
  "'; drop table updates; --",
  '{"type":"order"}',
];
const NUMBERS = [0, -0, -1, 1.5, 1e308, -1e308, 2 ** 53, 2 ** 63, 1e-300, 999_999_999_999];

function anything(draw: Draw, depth = 0): unknown {
  const which = Math.floor(draw() * (depth > 3 ? 5 : 8));
  if (which === 0) return null;
  if (which === 1) return draw() < 0.5;
  if (which === 2) return pick(draw, NUMBERS);
  if (which === 3 || which === 4) return pick(draw, TEXTS);
  if (which === 5) return Array.from({ length: Math.floor(draw() * 5) }, () => anything(draw, depth + 1));
  if (which === 6) return JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
  const entries = Array.from({ length: Math.floor(draw() * 4) }, () => {
    const value = JSON.stringify(anything(draw, depth + 1)) ?? 'null';
    return `${JSON.stringify(pick(draw, KEYS))}:${value}`;
  });
  // By text: an object made here would have lost its `__proto__`.
  return JSON.parse(`{${entries.join(',')}}`);
}

/** Every place in a value, as keys from its root. */
function places(value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, one]) => places(one, [...at, key]))];
}

function changed(value: unknown, at: readonly (string | number)[], draw: Draw): unknown {
  const [key, ...rest] = at;
  if (key === undefined) return anything(draw);
  const copy: unknown = Array.isArray(value) ? [...value] : { ...(value as object) };
  const object = copy as Record<string | number, unknown>;
  if (rest.length > 0) object[key] = changed(object[key], rest, draw);
  else {
    const how = draw();
    if (how < 0.15) delete object[key];
    else if (how < 0.3 && typeof object[key] === 'string') object[key] = `${object[key]}${pick(draw, TEXTS)}`;
    else if (how < 0.45 && typeof object[key] === 'number') object[key] = pick(draw, NUMBERS);
    else if (how < 0.55) object[key] = Array.from({ length: 1 + Math.floor(draw() * 400) }, () => object[key]);
    else object[key] = anything(draw);
  }
  return copy;
}

/** The text of a message: mostly a valid one with a place or two changed. */
export function message(draw: Draw, samples: readonly unknown[]): string {
  const sample = pick(draw, samples);
  const how = draw();
  if (how < 0.3) return JSON.stringify(sample);
  if (how < 0.33) return JSON.stringify(anything(draw)) ?? 'null';
  let value: unknown = sample;
  for (let n = 1 + Math.floor(draw() * 2); n > 0; n -= 1) value = changed(value, pick(draw, places(value)), draw);
  let text = JSON.stringify(value) ?? 'null';
  if (how < 0.38) text = text.slice(0, Math.floor(draw() * text.length));
  else if (how < 0.26)
    text = text.replace('{', `{${JSON.stringify(pick(draw, KEYS))}:${JSON.stringify(pick(draw, TEXTS))},`);
  else if (how < 0.424) text = `${'['.repeat(60_000)}${']'.repeat(60_000)}`;
  else if (how < 0.428) text = `{"type":"${'y'.repeat(100_000)}"}`;
  else if (how < 0.29)
    text = text.replace(/"type":"[^"]*"/, `"type":"${pick(draw, ['later', 'toString', '__proto__', ''])}"`);
  return text;
}
