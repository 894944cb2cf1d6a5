import { expect, test } from 'vitest';
import { createDoor } from '../../../src/gateway/door.ts';
import { createSparingLog } from '../../../src/gateway/sparing-log.ts';

const enter = (door: ReturnType<typeof createDoor>, addresses: readonly string[]) =>
  addresses.map((address) => door.enter(address)).filter((leave) => leave !== undefined);
const many = (count: number, address: (n: number) => string) => Array.from({ length: count }, (_, n) => address(n));

test('fifty of one address; another still gets in; who leaves makes room, once', () => {
  const door = createDoor();
  const inside = enter(
    door,
    many(60, () => '192.0.2.1'),
  );
  expect(inside).toHaveLength(50);
  expect(enter(door, ['192.0.2.2'])).toHaveLength(1);
  inside[0]?.();
  inside[0]?.();
  expect(enter(door, ['192.0.2.1', '192.0.2.1'])).toHaveLength(1);
});

test('a thousand in all, from this machine too, where a proxy may be', () => {
  const door = createDoor();
  expect(
    enter(
      door,
      many(2_000, () => '127.0.0.1'),
    ),
  ).toHaveLength(1_000);
  expect(enter(door, ['192.0.2.1'])).toHaveLength(0);
});

test('addresses of one IPv6 network are one; IPv4 in IPv6 is what it is', () => {
  const of = (address: (n: number) => string) => enter(createDoor(), many(60, address)).length;
  expect(of((n) => `2001:db8:1:2:${n}::1`)).toBe(50);
  expect(of((n) => `2001:db8::${n}`)).toBe(50);
  expect(of((n) => `2001:db8:1:${n}::1`)).toBe(60);
  expect(of((n) => `::ffff:192.0.2.${n}`)).toBe(60);
  expect(of(() => '::ffff:192.0.2.1')).toBe(50);
});

test('what strangers cause is logged so often a minute, and then how often more', () => {
  let now = 0;
  const lines: string[] = [];
  const log = createSparingLog(
    (line) => lines.push(line),
    () => now,
    2,
  );
  for (const line of ['a', 'b', 'c', 'd']) log(line);
  expect(lines).toEqual(['a', 'b']);
  now = 60_000;
  log('e');
  expect(lines.slice(2)).toEqual(['2 lines like these were left out', 'e']);
});
