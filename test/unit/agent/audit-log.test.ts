import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { linesOf, logFiles } from '../../../agent/audit/files.ts';
import { type AuditLog, openAuditLog } from '../../../agent/audit/log.ts';
import { createRedactor } from '../../../src/domain/redact.ts';
import { CHAIN_START, chained, readDeviceLine } from '../../../src/protocol/audit-chain.ts';

/** The agent's own log: durable, chained across everything, and never in the way of what is whole. */

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-device-audit-'));
  path = join(folder, 'agent', 'audit.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const told: string[] = [];
const open = (maxBytes?: number): AuditLog =>
  openAuditLog({
    path,
    device: 'd-1',
    now: () => 1_000,
    redact: createRedactor(),
    log: (line) => told.push(line),
    maxBytes,
  });

/** What is in all files, with where the chain breaks. */
function read(): { whats: string[]; breaks: number[] } {
  let previous = CHAIN_START;
  const whats: string[] = [];
  const breaks: number[] = [];
  for (const line of logFiles(path).flatMap(linesOf)) {
    const entry = readDeviceLine(line);
    if (!entry) throw new Error(`not a line: ${line}`);
    if (chained(previous, entry.text) !== entry.hash || entry.n !== whats.length + 1) breaks.push(entry.n);
    previous = entry.hash;
    whats.push((JSON.parse(entry.text) as { what: string }).what);
  }
  return { whats, breaks };
}

test('nothing is there before the first entry; then the file is private, chained, and begins with the device', () => {
  const log = open();
  expect(log.head()).toEqual({ seq: 0, hash: CHAIN_START });
  expect(logFiles(path)).toEqual([]);
  log.append({ what: 'order', order: 'o-1' });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(read()).toEqual({ whats: ['begun', 'order'], breaks: [] });
  expect(linesOf(path)[0]).toContain('"device":"d-1"');
  expect(log.first()).toBe(1);
});

test('the chain goes on across restarts', () => {
  for (const what of ['a', 'b', 'c']) open().append({ what });
  expect(read()).toEqual({ whats: ['begun', 'a', 'b', 'c'], breaks: [] });
});

test('cut off at every byte of its last line, it is mended, and every whole line is as it was', () => {
  open().append({ what: 'a' });
  const whole = statSync(path).size;
  open().append({ what: 'b' });
  const full = readFileSync(path);
  for (let size = whole; size < full.length; size += 1) {
    writeFileSync(path, full.subarray(0, size));
    open().append({ what: 'c' });
    const torn = size > whole;
    expect(read()).toEqual({ whats: ['begun', 'a', ...(torn ? ['mended'] : []), 'c'], breaks: [] });
  }
});

test('a power cut that leaves zeros is mended, too', () => {
  open().append({ what: 'a' });
  appendFileSync(path, Buffer.alloc(4_000));
  open().append({ what: 'b' });
  expect(read()).toEqual({ whats: ['begun', 'a', 'mended', 'b'], breaks: [] });
});

test('rotated by size, with the chain going on; cut off between any two renames it goes on as well', () => {
  const log = open(2_000);
  for (let i = 0; i < 60; i += 1) log.append({ what: 'order', order: `o-${i}`, filler: 'x'.repeat(100) });
  expect(readdirSync(join(folder, 'agent')).length).toBeGreaterThan(4);
  const all = read();
  expect(all.breaks).toEqual([]);
  expect(all.whats.filter((what) => what === 'order')).toHaveLength(60);
  // Every file after the first says whose it is.
  for (const file of logFiles(path)) expect(linesOf(file)[0]).toContain('"device":"d-1"');
  // Between the last rename and the first line of the new file.
  rmSync(path);
  open(2_000).append({ what: 'after' });
  expect(read().breaks.length).toBe(0);
  expect(read().whats.at(-1)).toBe('after');
});

test('sixteen files at the most, and the chain begins where the oldest does', () => {
  const log = open(300);
  for (let i = 0; i < 60; i += 1) log.append({ what: 'order', filler: 'x'.repeat(200) });
  expect(logFiles(path)).toHaveLength(16);
  expect(log.first()).toBeGreaterThan(1);
  expect(readDeviceLine(log.read(1, 1, 10_000)[0] ?? '')?.n).toBe(log.first());
});

test('read from any number, across files, bounded in lines and characters', () => {
  const log = open(1_000);
  for (let i = 0; i < 40; i += 1) log.append({ what: 'order', filler: 'x'.repeat(60) });
  const last = log.head().seq;
  for (const from of [1, 2, 17, last - 1, last]) {
    const lines = log.read(from, 5, 100_000).map((line) => readDeviceLine(line)?.n);
    expect(lines).toEqual([0, 1, 2, 3, 4].map((i) => from + i).filter((n) => n <= last));
  }
  expect(log.read(last + 1, 5, 100_000)).toEqual([]);
  expect(log.read(1, 100, 500).length).toBeLessThan(4);
});

test('where it can not be written, append says so, and nothing is half there; what was noted is written later', () => {
  mkdirSync(join(folder, 'agent'));
  mkdirSync(path);
  const log = open();
  expect(() => log.append({ what: 'order' })).toThrow(/io_failed|EISDIR/);
  log.note({ what: 'done', update: 'u-1' });
  expect(told.at(-1)).toContain("can't be written now");
  rmSync(path, { recursive: true });
  log.append({ what: 'order' });
  expect(read()).toEqual({ whats: ['begun', 'done', 'order'], breaks: [] });
});

test('cut or edited while the agent runs: it goes on, and the chain shows where', () => {
  const log = open();
  for (const what of ['a', 'b', 'c']) log.append({ what });
  const lines = linesOf(path);
  truncateSync(path, `${lines.slice(0, 2).join('\n')}\n`.length);
  log.append({ what: 'd' });
  // Nothing shows that alone: the numbers are those of an older log. The hub, which has the newer, sees another one.
  expect(read()).toEqual({ whats: ['begun', 'a', 'd'], breaks: [] });
  writeFileSync(path, readFileSync(path, 'utf8').replace('"what":"a"', '"what":"x"'));
  log.append({ what: 'e' });
  expect(read()).toEqual({ whats: ['begun', 'x', 'd', 'e'], breaks: [2] });
});

test('no secret and nothing endless gets in', () => {
  const log = open();
  log.append({ what: 'tool', text: `token=${'a'.repeat(30)} ghp_${'b'.repeat(36)}`, long: 'y'.repeat(5_000) });
  log.append({ what: 'tool', ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`v${i}`, 'z'.repeat(300)])) });
  const text = readFileSync(path, 'utf8');
  expect(text).not.toMatch(/ghp_|aaaaa/);
  for (const line of linesOf(path)) expect(line.length).toBeLessThan(2_000);
  expect(read().breaks).toEqual([]);
});
