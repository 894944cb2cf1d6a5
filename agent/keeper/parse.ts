import { isAbsolute, normalize } from 'node:path';
import { NAME_PATTERN } from '../../src/domain/app.ts';
import type { Hold, KeeperOp, KeeperRequests, KeepSpec } from './protocol.ts';

/** What comes in, checked by hand: the keeper has no dependencies. Unknown keys are a newer peer's and are ignored. */

/** A request whose shape is right. */
export type KeeperRequest = { [Op in KeeperOp]: { id: number; op: Op } & KeeperRequests[Op]['params'] }[KeeperOp];

export type ParsedRequest =
  | { readonly ok: true; readonly request: KeeperRequest }
  | { readonly ok: false; readonly id: number; readonly reason: string };

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
const DAY_MS = 86_400_000;

class Malformed extends Error {}

/** Reads one line. `id` is 0 where the line has none to answer to. */
export function parseRequest(line: string): ParsedRequest {
  let id = 0;
  try {
    const input = object(JSON.parse(line), 'request');
    id = integer(input.id, 'id', 0, Number.MAX_SAFE_INTEGER);
    return { ok: true, request: read(id, input) };
  } catch (error) {
    return { ok: false, id, reason: (error as Error).message };
  }
}

function read(id: number, input: Record<string, unknown>): KeeperRequest {
  const op = string(input.op, 'op') as KeeperOp;
  switch (op) {
    case 'hello':
    case 'status':
    case 'renew':
    case 'shutdown':
      return { id, op };
    case 'start':
    case 'restart':
    case 'release':
    case 'commit':
    case 'forget':
      return { id, op, app: name(input.app) };
    case 'keep':
      return { id, op, app: name(input.app), spec: parseSpec(input.spec) };
    case 'hold':
      return { id, op, app: name(input.app), hold: hold(input.hold) };
    case 'stop':
      return {
        id,
        op,
        app: name(input.app),
        ...(input.signal === undefined ? {} : { signal: signal(input.signal, 'signal') }),
        ...(input.graceMs === undefined ? {} : { graceMs: integer(input.graceMs, 'graceMs', 0, DAY_MS) }),
      };
    default:
      op satisfies never;
      throw new Malformed(`unknown op ${JSON.stringify(op).slice(0, 60)}`);
  }
}

/** @throws an Error that names the field */
export function parseSpec(value: unknown): KeepSpec {
  const spec = object(value, 'spec');
  const argv = strings(spec.argv, 'spec.argv');
  if (!argv[0]) throw new Malformed('spec.argv: a program is needed');
  return {
    dir: absolute(spec.dir, 'spec.dir'),
    argv,
    cwd: text(spec.cwd, 'spec.cwd'),
    env: environment(spec.env),
    ...(spec.inherit === undefined ? {} : { inherit: strings(spec.inherit, 'spec.inherit') }),
    log: absolute(spec.log, 'spec.log'),
    stopSignal: signal(spec.stopSignal, 'spec.stopSignal'),
    graceMs: integer(spec.graceMs, 'spec.graceMs', 0, DAY_MS),
    ...(spec.once === true ? { once: true } : {}),
    ...(spec.handsOver === true ? { handsOver: true } : {}),
  };
}

function hold(value: unknown): Hold {
  const input = object(value, 'hold');
  return {
    fallback: input.fallback === null ? null : parseFallback(input.fallback),
    forMs: integer(input.forMs, 'hold.forMs', 0, 366 * DAY_MS),
  };
}

/** A path below the app's folder, or `.` for what is there already. */
export function parseFallback(value: unknown): string {
  const path = normalize(text(value, 'hold.fallback'));
  if (isAbsolute(path) || path.split('/').includes('..')) throw new Malformed('hold.fallback: a path below the folder');
  return path;
}

/** A plain object. @throws an Error that names the field */
export function object(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Malformed(`${at}: an object`);
  return value as Record<string, unknown>;
}

function string(value: unknown, at: string): string {
  if (typeof value !== 'string') throw new Malformed(`${at}: a string`);
  return value;
}

/** What may be handed to the system: no NUL in it. */
function text(value: unknown, at: string): string {
  const checked = string(value, at);
  if (checked.includes('\0')) throw new Malformed(`${at}: a string without NUL`);
  return checked;
}

function strings(value: unknown, at: string): string[] {
  if (!Array.isArray(value)) throw new Malformed(`${at}: a list of strings`);
  return value.map((item) => text(item, at));
}

function environment(value: unknown): Record<string, string> {
  const entries = Object.entries(object(value, 'spec.env'));
  for (const [key] of entries) {
    if (key === '' || key.includes('=') || key.includes('\0')) throw new Malformed('spec.env: names of variables');
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, text(item, 'spec.env')]));
}

function absolute(value: unknown, at: string): string {
  const path = text(value, at);
  if (!isAbsolute(path)) throw new Malformed(`${at}: an absolute path`);
  return path;
}

function integer(value: unknown, at: string, from: number, to: number): number {
  if (!Number.isInteger(value) || (value as number) < from || (value as number) > to) {
    throw new Malformed(`${at}: a whole number from ${from} to ${to}`);
  }
  return value as number;
}

function name(value: unknown): string {
  const app = string(value, 'app');
  if (!NAME_PATTERN.test(app)) throw new Malformed('app: a name');
  return app;
}

function signal(value: unknown, at: string): KeepSpec['stopSignal'] {
  const found = SIGNALS.find((known) => known === value);
  if (!found) throw new Malformed(`${at}: one of ${SIGNALS.join(', ')}`);
  return found;
}
