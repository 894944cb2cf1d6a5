import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeCertificate } from '../../src/cli/hub-certificate.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { type GitServer, makeRepository, serveGit } from '../support/git.ts';

let folder: string;
let plain: GitServer;
let secure: ReturnType<typeof createServer>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-git-redirect-'));
  mkdirSync(join(folder, 'served'));
  makeRepository(join(folder, 'served', 'site')).commit({ 'a.txt': 'a' });
  plain = await serveGit(join(folder, 'served'));
  const files = { cert: join(folder, 'tls', 'cert.pem'), key: join(folder, 'tls', 'key.pem') };
  await makeCertificate(files, process.env.PATH ?? '');
  const made = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  secure = createServer(made, (request, response) => {
    response.writeHead(302, { location: `${plain.url}${request.url}` }).end();
  });
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await new Promise((resolve) => secure.close(resolve));
  await plain.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a repository behind https is not read from where there is none, whoever redirects', async () => {
  // The certificate is not what this is about.
  const env = { PATH: process.env.PATH ?? '', HOME: folder, GIT_SSL_NO_VERIFY: '1' };
  const origin = createGitOrigin({ folder: join(folder, 'git'), env });
  const read = (url: string) =>
    origin.refs({ kind: 'git', url, ref: 'main' }, { signal: new AbortController().signal }).then(
      ({ kind }) => kind,
      (error: { readonly code: string }) => error.code,
    );
  expect(await read(`${plain.url}/site/.git`)).toBe('branch');
  const asked = plain.requests.length;
  expect(await read(`https://127.0.0.1:${(secure.address() as AddressInfo).port}/site/.git`)).toBe(
    'source_unreachable',
  );
  expect(plain.requests.length).toBe(asked);
});
