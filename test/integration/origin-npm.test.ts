import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cleanNpmEnvironment, createNpmOrigin, type NpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { npmCli, type Registry, startRegistry } from '../support/registry.ts';

/** Fettle's own npm against a real registry on loopback. */

let registry: Registry;
let folder: string;
let origin: NpmOrigin;
const { signal } = new AbortController();

beforeAll(async () => {
  registry = await startRegistry();
  registry.publish(
    { name: 'tiny', version: '1.0.0' },
    { name: 'tiny', version: '1.1.0' },
    { name: '@me/one', version: '0.1.0' },
  );
  registry.tag('tiny', 'latest', '1.1.0');
  registry.tag('tiny', 'next', '1.0.0');
});
afterAll(() => registry.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-origin-'));
  origin = makeOrigin({ npm_config_registry: registry.url });
  registry.requests.length = 0;
});
afterEach(() => {
  registry.misbehave(undefined);
  rmSync(folder, { recursive: true, force: true });
});

function makeOrigin(env: Record<string, string>, options: { deadlineMs?: number; from?: string[] } = {}): NpmOrigin {
  return createNpmOrigin({
    node: process.execPath,
    npmCli,
    cache: join(folder, 'cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env, from: options.from ?? [] }),
    env: cleanNpmEnvironment(process.env),
    deadlineMs: options.deadlineMs,
  });
}

describe('versions', () => {
  it('takes one request, and a conditional one the next time', async () => {
    const first = await origin.versions('tiny', { signal });
    expect(first.tags).toEqual({ latest: '1.1.0', next: '1.0.0' });
    expect(first.versions).toEqual(['1.0.0', '1.1.0']);
    expect(Object.keys(first.times)).toEqual(['1.0.0', '1.1.0']);
    expect(registry.requests.map((r) => [r.path, r.status])).toEqual([['/tiny', 200]]);

    expect(await origin.versions('tiny', { signal })).toEqual(first);
    expect(registry.requests.map((r) => r.status)).toEqual([200, 304]);
    expect(registry.requests[1]?.ifNoneMatch).toMatch(/^"[0-9a-f]{16}"$/);
  });

  it('reads a scoped package with one version', async () => {
    expect((await origin.versions('@me/one', { signal })).versions).toEqual(['0.1.0']);
  });

  it('shows the user’s credentials to the registry that they are for', async () => {
    const rc = join(folder, 'user-npmrc');
    const host = registry.url.replace('http:', '');
    writeFileSync(rc, `registry=${registry.url}\n${host}/:_authToken=${['$', '{TOKEN}'].join('')}\n`);
    await makeOrigin({ TOKEN: 'tok' }, { from: [rc] }).versions('tiny', { signal });
    expect(registry.requests[0]?.authorization).toBe('Bearer tok');
  });

  it('is not steered by the npmrc of a project around it', async () => {
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(join(folder, '.npmrc'), 'registry=http://127.0.0.1:9/\n');
    expect((await origin.versions('tiny', { signal })).versions).toHaveLength(2);
  });
});

describe('release', () => {
  it('asks nobody right after versions', async () => {
    await origin.versions('tiny', { signal });
    const release = await origin.release('tiny', '1.1.0', { signal });
    expect(release).toEqual({
      version: '1.1.0',
      integrity: registry.integrity('tiny', '1.1.0'),
      unpackedSize: 1_234,
      tarball: `${registry.url}/tiny/-/tiny-1.1.0.tgz`,
    });
    expect(registry.requests).toHaveLength(1);
  });

  it('asks where it knows nothing, and, when it is to be fresh, in any case', async () => {
    await origin.release('tiny', '1.0.0', { signal });
    await origin.release('tiny', '1.0.0', { signal, fresh: true });
    expect(registry.requests.map((r) => r.status)).toEqual([200, 304]);
  });

  it('says so where there is no such version', async () => {
    await expect(origin.release('tiny', '9.9.9', { signal })).rejects.toMatchObject({ code: 'source_invalid' });
  });
});

describe('trouble', () => {
  const versions = (name = 'tiny') => origin.versions(name, { signal });

  it('no such package', async () => {
    await expect(versions('nobody-has-this')).rejects.toMatchObject({
      code: 'source_invalid',
      retryable: false,
      data: { source: 'npm nobody-has-this', reason: 'the registry does not have it (404)' },
    });
  });

  it('refused connection', async () => {
    origin = makeOrigin({ npm_config_registry: 'http://127.0.0.1:9/' });
    await expect(versions()).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: { reason: '127.0.0.1:9 refused the connection' },
    });
  });

  it('no such host', async () => {
    origin = makeOrigin({ npm_config_registry: 'http://registry.invalid/' });
    await expect(versions()).rejects.toMatchObject({
      code: 'source_unreachable',
      data: { reason: 'the name registry.invalid could not be resolved' },
    });
  });

  it('an error of the registry: one request, no retries', async () => {
    registry.misbehave('error-500');
    await expect(versions()).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: { reason: 'the registry answered 500' },
    });
    expect(registry.requests).toHaveLength(1);
  });

  it.each([
    ['an error of the registry', () => registry.misbehave('error-500'), 'the registry answered 500'],
    ['a registry that is gone', () => registry.stop(), /^127\.0\.0\.1:\d+ refused the connection$/],
  ] as const)('does not pass off npm’s old answer as a new one: %s', async (_what, breakIt, reason) => {
    await versions();
    await breakIt();
    try {
      const expected = {
        code: 'source_unreachable',
        retryable: true,
        data: { reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) },
      };
      await expect(versions()).rejects.toMatchObject(expected);
      await expect(origin.release('tiny', '1.0.0', { signal, fresh: true })).rejects.toMatchObject(expected);
      // Where an old answer will do, it does.
      expect((await origin.release('tiny', '1.0.0', { signal })).version).toBe('1.0.0');
    } finally {
      await registry.restart();
    }
  });

  it('credentials wanted', async () => {
    registry.misbehave('unauthorized');
    await expect(versions()).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: false,
      data: { reason: 'the registry wants credentials (401)' },
    });
  });

  it('a web page', async () => {
    registry.misbehave('html');
    await expect(versions()).rejects.toMatchObject({
      code: 'source_invalid',
      data: { reason: expect.stringMatching(/^127\.0\.0\.1:\d+ gave no usable answer/) },
    });
  });

  it('no answer within the deadline', async () => {
    registry.misbehave('hang');
    origin = makeOrigin({ npm_config_registry: registry.url }, { deadlineMs: 1_500 });
    await expect(versions()).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: { reason: 'the registry did not answer within 1.5 s' },
    });
  });

  it('called off: the child is gone when the promise is', async () => {
    registry.misbehave('hang');
    const controller = new AbortController();
    const pending = origin.versions('tiny', { signal: controller.signal });
    await registry.arrived('/tiny');
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: 'source_unreachable' });
    expect(childrenWith(folder)).toEqual([]);
  });

  it('no npm at all', async () => {
    const broken = createNpmOrigin({
      node: join(folder, 'none'),
      npmCli,
      cache: join(folder, 'cache'),
      npmrc: join(folder, 'npmrc'),
      env: {},
    });
    await expect(broken.versions('tiny', { signal })).rejects.toMatchObject({ code: 'source_unreachable' });
  });
});

/** Command lines of processes that mention `text`. */
function childrenWith(text: string): string[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (line.includes(text)) found.push(line);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
