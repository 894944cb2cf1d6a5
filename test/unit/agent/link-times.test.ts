import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { orderTime } from '../../../agent/link.ts';
import { createRedial } from '../../../agent/redial.ts';
import type { HubMessage } from '../../../src/protocol/messages.ts';

const HOUR = 3_600_000;
const order = (now: number, after?: number) => ({ type: 'order', order: {}, now, after }) as unknown as HubMessage;
/** The agent said hello at 1,000 of its own clock; the hub welcomed it at 5,000,000 of hub time. */
const link = { hubOffset: 4_999_000, openedAt: 1_000 };

test('an order is as old as it was on its way, whatever the clocks say', () => {
  // At once.
  expect(orderTime(order(5_060_000, 60_000), { ...link, at: 61_000 })).toBe(5_060_000);
  // Held back for an hour: its own word for the time is an hour old.
  expect(orderTime(order(5_060_000, 60_000), { ...link, at: 61_000 + HOUR })).toBe(5_060_000 + HOUR);
  // The hub's clock was set forward by a day, or back, between the handshake and the order.
  expect(orderTime(order(5_060_000 + 24 * HOUR, 60_000), { ...link, at: 61_000 })).toBe(5_060_000 + 24 * HOUR);
  expect(orderTime(order(60_000, 60_000), { ...link, at: 61_000 })).toBe(60_000);
  // A hub that claims that its order was made later than it can have been makes it no younger than it says.
  expect(orderTime(order(5_060_000, 10 * HOUR), { ...link, at: 61_000 })).toBe(5_060_000);
});

test('a tool that is to be run is as old as an order would be', () => {
  const tool = (after?: number) => ({ type: 'run-tool', now: 5_060_000, after }) as unknown as HubMessage;
  expect(orderTime(tool(60_000), { ...link, at: 61_000 })).toBe(5_060_000);
  expect(orderTime(tool(60_000), { ...link, at: 61_000 + HOUR })).toBe(5_060_000 + HOUR);
  // A hub of before does not say it: the handshake counts.
  expect(orderTime(tool(), { ...link, at: 61_000 + HOUR })).toBe(5_060_000 + HOUR);
});

test('without both figures the handshake counts, not what the order says', () => {
  expect(orderTime(order(1), { ...link, at: 61_000 })).toBe(5_060_000);
  expect(orderTime({ type: 'cancel', update: 'u-1' }, { ...link, at: 61_000 })).toBe(5_060_000);
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Waits until each dial, with this share of what may be waited. */
function waits(share: number) {
  let dials = 0;
  const redial = createRedial({
    random: () => new Uint8Array([Math.floor(share * 255), Math.floor(share * 255)]),
    dial: () => {
      dials += 1;
    },
  });
  const next = async (cause: () => void) => {
    const [before, from] = [dials, performance.now()];
    cause();
    await vi.advanceTimersToNextTimerAsync();
    expect(dials).toBe(before + 1);
    return Math.round(performance.now() - from);
  };
  return { redial, next };
}

test('waits double from half a second to a minute, and each is drawn from the whole of it', async () => {
  const most = waits(1);
  const seen: number[] = [];
  for (let n = 0; n < 10; n += 1) seen.push(await most.next(() => most.redial.later()));
  expect(seen).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  const least = waits(0);
  for (let n = 0; n < 10; n += 1) expect(await least.next(() => least.redial.later())).toBe(50);
});

test('a connection that held for a minute begins anew; one that ended at once does not', async () => {
  const { redial, next } = waits(1);
  for (let n = 0; n < 8; n += 1) await next(() => redial.ended({ heldMs: undefined }));
  expect(await next(() => redial.ended({ heldMs: undefined }))).toBe(60_000);
  expect(await next(() => redial.ended({ heldMs: 61_000 }))).toBe(500);
  expect(await next(() => redial.ended({ heldMs: 5_000 }))).toBe(1_000);
  expect(await next(() => redial.ended({ heldMs: 5_000 }))).toBe(1_000);
});

test('a clock that is set by a day changes nothing: it dials within a minute', async () => {
  const { redial, next } = waits(1);
  for (let n = 0; n < 9; n += 1) await next(() => redial.later());
  for (const by of [24 * HOUR, -24 * HOUR]) {
    const waited = await next(() => {
      redial.later();
      vi.setSystemTime(Date.now() + by);
    });
    expect(waited).toBe(60_000);
  }
});

test('Retry-After is kept to, spread, and not for hours; a held device has no haste', async () => {
  const [least, most] = [waits(0), waits(1)];
  expect(await least.next(() => least.redial.ended({ heldMs: undefined, retryAfterMs: 10_000 }))).toBe(10_000);
  expect(await most.next(() => most.redial.ended({ heldMs: undefined, retryAfterMs: 10_000 }))).toBe(15_500);
  expect(await least.next(() => least.redial.ended({ heldMs: undefined, retryAfterMs: 99 * HOUR }))).toBe(300_000);
  expect(await least.next(() => least.redial.ended({ heldMs: undefined, needsPerson: true }))).toBe(30_000);
  expect(await most.next(() => most.redial.ended({ heldMs: undefined, needsPerson: true }))).toBe(60_000);
});

test('after its end it dials no more', async () => {
  const { redial } = waits(0);
  redial.later();
  redial.stop();
  redial.now();
  redial.later();
  expect(vi.getTimerCount()).toBe(0);
});
