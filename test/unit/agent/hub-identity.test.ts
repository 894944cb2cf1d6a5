import { expect, test } from 'vitest';
import { addressProblem } from '../../../agent/hub-identity.ts';
import { parseConfig } from '../../../config/load.ts';
import { parseListen } from '../../../src/domain/listen.ts';

test.each([
  ['wss://hub.example:7412/agent', true, true],
  ['ws://127.0.0.1:7411/agent', true, true],
  ['ws://[::1]:7411/agent', true, true],
  ['ws://hub.example:7411/agent', false, true],
  ['ws://127.0.0.1.evil.example/agent', false, true],
  ['wss://me:secret@hub.example/agent', false, false],
  ['https://hub.example/agent', false, false],
  ['wss://hub.example/agent?token=1', false, false],
  ['hub.example', false, false],
])('%s may be dialled: %s; with allowInsecure: %s', (address, usual, insecure) => {
  expect(addressProblem(address, false) === undefined).toBe(usual);
  expect(addressProblem(address, true) === undefined).toBe(insecure);
  expect(addressProblem(address, false) ?? '').not.toContain('secret');
});

test('where a hub listens', () => {
  expect(parseListen('0.0.0.0')).toEqual({ host: '0.0.0.0', port: 7_412, loopback: false });
  expect(parseListen('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0, loopback: true });
  expect(parseListen('[::]:9000')).toMatchObject({ host: '::', port: 9_000, loopback: false });
  expect(parseListen('::1')).toMatchObject({ host: '::1', loopback: true });
  for (const wrong of ['', 'host:99999', 'http://x', 'a b', ':7412']) expect(parseListen(wrong), wrong).toBeUndefined();
});

test.each([
  ['{listen: 0.0.0.0}', /tls: self-signed/],
  ['{tls: self-signed}', /listen/],
  ['{publicUrl: "http://hub.example"}', /https/],
  ['{listen: "127.0.0.1"}', undefined],
  ['{listen: 0.0.0.0, tls: self-signed}', undefined],
  ['{listen: 0.0.0.0, publicUrl: "https://hub.example"}', undefined],
])('hub: %s', (hub, wrong) => {
  const read = () => parseConfig(`hub: ${hub}\n`, '/etc/f.yaml');
  if (wrong) expect(read).toThrow(wrong);
  else expect(read).not.toThrow();
});
