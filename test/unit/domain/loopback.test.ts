import { expect, test } from 'vitest';
import { isLoopback, leadsHere } from '../../../src/domain/loopback.ts';

const hostOf = (host: string) => new URL(`https://${host}/`).hostname;

test.each([
  ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '[::1]', 'localhost', 'LOCALHOST', 'localhost.', 'robot.localhost'],
  ...['0.0.0.0', '0', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f01:2]', '[::ffff:0.0.0.0]', '[0:0:0:0:0:0:0:1]'],
])('%s leads to this machine', (host) => {
  expect(leadsHere(hostOf(host))).toBe(true);
});

test.each([
  '192.168.1.7',
  '10.0.0.1',
  '126.255.0.1',
  '128.0.0.1',
  '[fe80::1]',
  '[::ffff:10.0.0.1]',
  '[::2]',
  'localhost.example.org',
  'notlocalhost',
])('%s is elsewhere', (host) => {
  expect([leadsHere(hostOf(host)), isLoopback(hostOf(host))]).toEqual([false, false]);
});
