import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ForgeSource } from '../../../src/domain/forge.ts';
import { fileAddresses } from '../../../src/origin/forge-files.ts';
import { tokenOf } from '../../../src/origin/forge-token.ts';

/** Where a file is asked for, and who is sent a token. */

let folder: string;
let tokenFile: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-token-'));
  tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'abc\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const page = 'https://github.com/acme/robot/releases/download/v1/a.tgz';
const apiUrl = 'https://api.github.com/repos/acme/robot/releases/assets/7';
const github = (more: Partial<ForgeSource> = {}) => ({ kind: 'github', repo: 'acme/robot', ...more }) as ForgeSource;
const addresses = (source: ForgeSource, asset: { url: string; apiUrl?: string }, base: string, githubToken?: string) =>
  fileAddresses(
    { fetch, clock: { now: () => 0 }, githubToken },
    source,
    { base },
    { id: 7, name: 'a.tgz', size: 1, ...asset },
  ).map(({ url, headers }) => [url.href, headers.authorization]);
const BASE = 'https://api.github.com';

it('is the page’s address without a token, and the API’s with one', () => {
  expect(addresses(github(), { url: page, apiUrl }, BASE)).toEqual([[page, undefined]]);
  expect(addresses(github({ tokenFile }), { url: page, apiUrl }, BASE)).toEqual([[apiUrl, 'Bearer abc']]);
  expect(addresses(github(), { url: page, apiUrl }, BASE, 'from-environment')).toEqual([
    [apiUrl, 'Bearer from-environment'],
  ]);
});

it('sends a token to mirrors never, and to no host that an answer names', () => {
  const mirrors = ['https://m.example'];
  expect(addresses(github({ tokenFile, mirrors }), { url: page, apiUrl }, BASE)).toEqual([
    [`https://m.example/${page}`, undefined],
    [apiUrl, 'Bearer abc'],
  ]);
  const lie = 'https://evil.example/repos/acme/robot/releases/assets/7';
  expect(addresses(github({ tokenFile }), { url: page, apiUrl: lie }, BASE)).toEqual([[page, undefined]]);
  const gitea: ForgeSource = { kind: 'gitea', url: 'https://git.lab', repo: 'acme/robot', tokenFile };
  expect(addresses(gitea, { url: 'https://git.lab/acme/robot/a.tgz' }, 'https://git.lab/api/v1')).toEqual([
    ['https://git.lab/acme/robot/a.tgz', 'token abc'],
  ]);
  expect(addresses(gitea, { url: 'https://cdn.lab/a.tgz' }, 'https://git.lab/api/v1')).toEqual([
    ['https://cdn.lab/a.tgz', undefined],
  ]);
});

it('gives the environment’s token to GitHub’s own API alone, and a file’s to the first address', () => {
  const deps = { githubToken: 'from-environment' };
  expect(tokenOf(deps, github(), BASE)).toBe('from-environment');
  expect(tokenOf(deps, github({ api: ['https://ghe.corp/api/v3'] }), 'https://ghe.corp/api/v3')).toBeUndefined();
  expect(tokenOf(deps, github({ api: ['https://proxy.lab', BASE] }), BASE)).toBeUndefined();
  expect(tokenOf(deps, github({ api: [BASE, 'https://proxy.lab'], tokenFile }), 'https://proxy.lab')).toBeUndefined();
  writeFileSync(join(folder, 'two'), 'one\ntwo\n');
  expect(() => tokenOf(deps, github({ tokenFile: join(folder, 'two') }), BASE)).toThrow(
    /something else than one token/,
  );
});

it('refuses an address on this machine that a server elsewhere names, and plain http', () => {
  expect(() => addresses(github(), { url: 'http://127.0.0.1:8080/a.tgz' }, BASE)).toThrow(
    /which is this machine itself/,
  );
  expect(() => addresses(github(), { url: 'http://github.com/a.tgz' }, BASE)).toThrow(/use https/);
  expect(() => addresses(github(), { url: 'file:///etc/passwd' }, BASE)).toThrow(/only https/);
});
