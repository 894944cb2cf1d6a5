import { expect, test } from 'vitest';
import { DeviceSchema } from '../../../config/agent-schema.ts';
import { HubSchema } from '../../../config/hub-schema.ts';
import { parseConfig } from '../../../config/load.ts';
import { ConfigError, parseFile } from '../../../config/parse.ts';

test('an agent takes every file that its hub takes: the keys are the same', () => {
  expect(Object.keys(DeviceSchema.shape).sort()).toEqual(Object.keys(HubSchema.shape).sort());
});

test('what is the agent’s is read the same by both', () => {
  const text = 'settings: {grace: 5s}\nfettle: {source: folder up}\napps: {web: {source: folder r, run: node x.js}}\n';
  const [hub, device] = [parseConfig(text, '/etc/f.yaml'), parseFile(DeviceSchema, text, '/etc/f.yaml')];
  expect({ apps: device.apps, fettle: device.fettle }).toEqual({ apps: hub.apps, fettle: hub.fettle });
  expect(device.fettle.source).toEqual({ kind: 'folder', path: '/etc/up' });
});

test('a mistake in what is the hub’s does not stop an agent; one in what is its own does', () => {
  expect(parseFile(DeviceSchema, 'settings: {grace: nonsense}\n', 'f').apps).toEqual({});
  expect(() => parseFile(DeviceSchema, 'apps: {web: {run: 3}}\n', 'f')).toThrow(ConfigError);
  expect(() => parseFile(DeviceSchema, 'colour: blue\n', 'f')).toThrow(/colour/);
});
