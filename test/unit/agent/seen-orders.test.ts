import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSeenOrders } from '../../../agent/seen-orders.ts';

let folder: string;
let file: string;
let now = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-seen-'));
  file = join(folder, 'orders');
  now = 1_000_000;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MINUTE = 60_000;
/** Hub time is a million ahead of the device's monotonic clock. */
const hubNow = () => now + 1_000_000;
const open = () => openSeenOrders(file, () => now);
const order = (id: string, madeAt = hubNow()) => ({
  ...{ id, app: 'web' },
  ...{ notBefore: madeAt, expiresAt: madeAt + 5 * MINUTE },
});
const code = (work: () => void) => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test('an order is taken once, also by an agent that was started again', () => {
  const seen = open();
  expect(code(() => seen.take(order('o-1'), hubNow()))).toBe('taken');
  expect(code(() => seen.take(order('o-1'), hubNow()))).toBe('order_replayed');
  expect(code(() => open().take(order('o-1'), hubNow()))).toBe('order_replayed');
  expect(code(() => open().take(order('o-2'), hubNow()))).toBe('taken');
  expect(code(() => open().take(order('o-1'), hubNow()))).toBe('order_replayed');
});

test('what is over is forgotten, and refused because it is over', () => {
  const seen = open();
  const first = order('o-1');
  seen.take(first, hubNow());
  now += 6 * MINUTE;
  expect(code(() => seen.take(first, hubNow()))).toBe('order_expired');
  seen.take(order('o-2'), hubNow());
  expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')))).toEqual(['o-2']);
});

test.each([
  ['too early', { notBefore: 10 * MINUTE, expiresAt: 15 * MINUTE }],
  ['good for years', { notBefore: 0, expiresAt: 365 * 24 * 60 * MINUTE }],
  ['over', { notBefore: -6 * MINUTE, expiresAt: -1 }],
])('an order that is %s is refused', (_, { notBefore, expiresAt }) => {
  const times = { notBefore: hubNow() + notBefore, expiresAt: hubNow() + expiresAt };
  expect(code(() => open().take({ id: 'o-1', app: 'web', ...times }, hubNow()))).toBe('order_expired');
});

test.each(['{"o-1": 12', '', '[]', '{"o-1": "soon"}', '\u0000\u0000\u0000'])(
  'where the list is %j, an order from before is refused and a newer one taken, also after another start',
  (text) => {
    const before = order('o-1');
    open().take(before, hubNow());
    writeFileSync(file, text);
    now += MINUTE;
    const seen = open();
    now += 1_000;
    // What it had may be this one: nobody knows.
    expect(code(() => seen.take(before, hubNow()))).toBe('order_replayed');
    expect(code(() => seen.take(order('o-2'), hubNow()))).toBe('taken');
    expect(code(() => seen.take(before, hubNow()))).toBe('order_replayed');
    expect(code(() => open().take(before, hubNow()))).toBe('order_replayed');
    expect(code(() => open().take(order('o-3'), hubNow()))).toBe('taken');
    expect(readFileSync(`${file}.unreadable`, 'utf8')).toBe(text);
  },
);

test('an order that could not be written down was not taken, and may come again', () => {
  const seen = openSeenOrders(join(folder, 'missing', 'orders'), () => now);
  expect(code(() => seen.take(order('o-1'), hubNow()))).toBe('ENOENT');
  expect(code(() => seen.take(order('o-1'), hubNow()))).toBe('ENOENT');
});

test('a hub can not fill the disk with orders', () => {
  writeFileSync(
    file,
    JSON.stringify(Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`o-${n}`, hubNow() + 1]))),
  );
  const seen = open();
  expect(code(() => seen.take(order('o-new'), hubNow()))).toBe('busy');
  now += 2;
  expect(code(() => seen.take(order('o-new'), hubNow()))).toBe('taken');
});

test('names that objects have are ids like others', () => {
  const seen = open();
  for (const id of ['__proto__', 'constructor', 'toString']) {
    expect(code(() => seen.take(order(id), hubNow()))).toBe('taken');
    expect(
      code(() => seen.take(order(id), hubNow())),
      id,
    ).toBe('order_replayed');
    expect(
      code(() => open().take(order(id), hubNow())),
      id,
    ).toBe('order_replayed');
  }
});
