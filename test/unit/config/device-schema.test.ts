import { expect, test } from 'vitest';
import { DeviceSchema } from '../../../config/agent-schema.ts';
import { HubSchema } from '../../../config/hub-schema.ts';
import { parseConfig } from '../../../config/load.ts';
import { ConfigError, parseFile } from '../../../config/parse.ts';

const KEY = `RWQ${'A'.repeat(53)}`;

test('an agent takes every file that its hub takes: the keys are the same', () => {
  expect(Object.keys(DeviceSchema.shape).sort()).toEqual(Object.keys(HubSchema.shape).sort());
});

test('what is the agent’s is read the same by both', () => {
  const text = `settings: {grace: 5s}\nfettle: {source: folder up, keys: [${KEY}]}\napps: {web: {source: folder r, run: node x.js}}\n`;
  const [hub, device] = [parseConfig(text, '/etc/f.yaml'), parseFile(DeviceSchema, text, '/etc/f.yaml')];
  expect({ apps: device.apps, fettle: device.fettle }).toEqual({ apps: hub.apps, fettle: hub.fettle });
  expect(device.fettle.source).toEqual({ kind: 'folder', path: '/etc/up' });
});

test('a mistake in what is the hub’s does not stop an agent; one in what is its own does', () => {
  expect(parseFile(DeviceSchema, 'settings: {grace: nonsense}\n', 'f').apps).toEqual({});
  expect(() => parseFile(DeviceSchema, 'apps: {web: {run: 3}}\n', 'f')).toThrow(ConfigError);
  expect(() => parseFile(DeviceSchema, 'colour: blue\n', 'f')).toThrow(/colour/);
});

test('an address is taken with a key, or where somebody says otherwise', () => {
  const problem = (app: string, self = '{}') => {
    try {
      parseConfig(`fettle: ${self}\napps: {web: {run: node x.js, ${app}}}\n`, '/etc/f.yaml');
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.map((p) => `${p.key}: ${p.expected}`).join('\n');
      throw error;
    }
    return 'fine';
  };
  const feed = 'source: feed https://x.org/f';
  expect(problem(feed)).toMatch(/^apps.web.keys: expected the publisher's public key .*or `trust: source`/);
  expect(problem(`${feed}, trust: signed`)).toMatch(/^apps.web.keys: /);
  expect(problem(`${feed}, trust: source`)).toBe('fine');
  expect(problem(`${feed}, trust: none`)).toBe('fine');
  expect(problem(`${feed}, keys: [${KEY}]`)).toBe('fine');
  expect(problem(`${feed}, keys: [${KEY}], trust: none`)).toMatch(/^apps.web.trust: expected no `keys` beside/);
  expect(problem(`${feed}, keys: [${KEY.slice(1)}]`)).toMatch(/^apps.web.keys.*: expected a public key of minisign/);
  expect(problem('source: folder r')).toBe('fine');
  expect(problem('source: folder r, trust: signed')).toMatch(/^apps.web.keys: /);
  expect(problem(`source: npm x, keys: [${KEY}]`)).toMatch(/^apps.web.keys: expected none for a source `npm`/);
  expect(problem('source: npm x, trust: signed')).toMatch(/^apps.web.trust: /);
  expect(problem('source: git https://x.org/r, trust: signed')).toMatch(/^apps.web.trust: /);
  expect(problem(`source: git https://x.org/r, signedBy: [${'AB12'.repeat(10)}], trust: signed`)).toBe('fine');
  // With keys, the order may say where.
  expect(problem(`keys: [${KEY}]`)).toBe('fine');
  expect(problem('trust: signed')).toMatch(/^apps.web.keys: /);
  // Fettle itself: always.
  expect(problem('', '{source: folder up}')).toMatch(/^fettle.keys: .*needed for Fettle itself/);
  expect(problem('', '{source: feed https://x.org/f}')).toMatch(/^fettle.keys: /);
  expect(problem('', `{source: folder up, keys: [${KEY}]}`)).toBe('fine');
  expect(problem('', '{source: npm fettle}')).toBe('fine');
  expect(problem('', '{source: folder up, trust: none}')).toMatch(/trust/);
});
