import { createHash } from 'node:crypto';
import type { Order } from './messages.ts';

/**
 * The chain of an audit log, at the hub and on devices: each entry carries the SHA-256 over the hash of the entry before
 * it and its own text. Whoever changes, removes or reorders entries has to make every later hash anew, and those are
 * known elsewhere: orders carry the hub's newest to the device, and devices tell theirs to the hub.
 */

/** What the first entry of a log follows. */
export const CHAIN_START = '0'.repeat(64);

/** The place of an entry in a log, and with it of everything before. */
export interface ChainLink {
  readonly seq: number;
  /** 64 hexadecimal digits. */
  readonly hash: string;
}

/** The hash of an entry: hexadecimal, 64 digits. */
export function chained(previous: string, text: string): string {
  return createHash('sha256').update(previous).update('\n').update(text).digest('hex');
}

/**
 * The digest by which hub and device name one order: over its exact text, so of what was sent and not of what a reader
 * made of it. Give it what the hub sends, or what `JSON.parse` gave of what came: never what a schema has read.
 */
export function orderDigest(order: Order | object): string {
  return createHash('sha256').update(JSON.stringify(order)).digest('hex');
}

/** The same for a tool that was asked for: over what is the same however often it is asked. */
export function toolDigest({ request, device, tool, args }: AskedTool): string {
  return createHash('sha256')
    .update(JSON.stringify([request, device, tool, args]))
    .digest('hex');
}

export interface AskedTool {
  readonly request: string;
  readonly device: string;
  readonly tool: string;
  readonly args: readonly string[];
}

/** An entry of a device's log as it is on its line. */
export interface DeviceLine {
  readonly n: number;
  readonly hash: string;
  /** What the hash is over, beside the hash of the entry before. */
  readonly text: string;
}

const HASH_END = /,"hash":"([0-9a-f]{64})"\}$/;

/** The line of an entry, without its end of line. `text` is a JSON object with `n`, and is not empty. */
export function deviceLine(previous: string, text: string): { readonly line: string; readonly hash: string } {
  const hash = chained(previous, text);
  return { line: `${text.slice(0, -1)},"hash":"${hash}"}`, hash };
}

/** Takes a line apart; `undefined` where it is none. Whether the hash is right is for who knows the entry before. */
export function readDeviceLine(line: string): DeviceLine | undefined {
  const hash = HASH_END.exec(line)?.[1];
  const n = /^\{"n":([1-9]\d{0,14}),/.exec(line)?.[1];
  if (hash === undefined || n === undefined) return undefined;
  return { n: Number(n), hash, text: `${line.slice(0, -`,"hash":"${hash}"}`.length)}}` };
}
