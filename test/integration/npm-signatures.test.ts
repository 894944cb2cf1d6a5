import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cleanNpmEnvironment, createNpmOrigin, type NpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createNpmSignatures } from '../../src/origin/npm-signatures.ts';
import { npmCli, type Registry, startRegistry } from '../support/registry.ts';

/** A registry that signs, and one that stands between and lies. */

let folder: string;
let registry: Registry;
let origin: NpmOrigin;
const signal = () => AbortSignal.timeout(60_000);
const release = () => origin.release('tiny', '1.0.0', { signal: signal(), fresh: true });
const keysAsked = () => registry.requests.filter(({ path }) => path === '/-/npm/v1/keys').length;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-npm-signed-'));
  registry = await startRegistry();
  registry.publish({ name: 'tiny', version: '1.0.0' });
  origin = start();
});
afterEach(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As an agent that starts. */
function start(now = () => Date.now()): NpmOrigin {
  return createNpmOrigin({
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: { npm_config_registry: registry.url }, from: [] }),
    env: cleanNpmEnvironment(process.env),
    signatures: createNpmSignatures({ file: join(folder, 'keys.json'), fetch, now }),
  });
}

test('what the registry signed is taken; its keys are asked for once', async () => {
  registry.sign();
  await expect(release()).resolves.toMatchObject({ version: '1.0.0' });
  origin = start();
  await expect(release()).resolves.toMatchObject({ version: '1.0.0' });
  expect(keysAsked()).toBe(1);
});

test('another integrity than was signed is refused', async () => {
  registry.sign();
  registry.misbehave('wrong-integrity');
  await expect(release()).rejects.toMatchObject({
    code: 'artifact_unverified',
    data: { reason: expect.stringMatching(/tiny@1.0.0: its registry's signature .* does not fit/) },
  });
});

test('a registry that has shown its keys once is held to them: no signature, another key, no keys', async () => {
  registry.sign();
  await release();
  registry.misbehave('no-signatures');
  await expect(release()).rejects.toMatchObject({
    code: 'artifact_unverified',
    data: { reason: expect.stringMatching(/has no signature/) },
  });
  // Another signer, whose keys are not to be had.
  registry.sign();
  registry.misbehave('no-keys');
  await expect(release()).rejects.toMatchObject({
    code: 'artifact_unverified',
    data: { reason: expect.stringMatching(/a key that its registry does not have/) },
  });
  // The registry itself may have a new one.
  registry.misbehave(undefined);
  await expect(release()).resolves.toBeDefined();
});

test('a key that had expired when the package was published does not count; one that expired later does', async () => {
  const { expires } = registry.sign();
  expires('2020-01-01T00:00:00.000Z');
  await expect(release()).rejects.toMatchObject({ data: { reason: expect.stringMatching(/had expired/) } });
  expires('2025-01-01T00:00:00.000Z');
  origin = start(() => Date.now() + 2 * 86_400_000);
  await expect(release()).resolves.toBeDefined();
});

test('a registry without keys goes on with integrity, and is asked for nothing more', async () => {
  await expect(release()).resolves.toMatchObject({ integrity: registry.integrity('tiny', '1.0.0') });
  expect(keysAsked()).toBe(0);
  registry.sign();
  registry.misbehave('no-keys');
  await expect(release()).resolves.toBeDefined();
  expect(keysAsked()).toBe(1);
});
