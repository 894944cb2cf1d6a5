import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeArchive } from '../support/artifact.ts';
import { type ForgeServer, serveForge } from '../support/forge-server.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';

/** An app whose releases are on GitHub, as a user sees it: the shipped commands, and a server that is as strict as GitHub's. */

const TOKEN = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
let home: Home;
let server: ForgeServer;
let made: string;
let port: number;

beforeEach(async () => {
  home = makeHome();
  server = await serveForge('github');
  server.habits.token = TOKEN;
  made = mkdtempSync(join(tmpdir(), 'fettle-github-'));
  port = await freePort();
  await put('1.0.0');
  writeFileSync(join(home.layout.home, 'github-token'), `${TOKEN}\n`, { mode: 0o600 });
  writeFileSync(
    home.layout.config,
    `apps:
  robot:
    source:
      github: acme/robot
      api: ${server.api}
      tokenFile: github-token
      mirrors: http://127.0.0.1:${await freePort()}
    install: 1.0.0
    run: node robot.mjs
    env: {PORT: ${port}}
    healthy: {http: 'http://127.0.0.1:${port}/health', version: .version, for: 1s}
`,
  );
});
afterEach(async () => {
  await home.close();
  await server.close();
  rmSync(made, { recursive: true, force: true });
}, 60_000);

async function put(version: string): Promise<void> {
  const path = join(made, version, 'robot.tar.gz');
  mkdirSync(join(path, '..'), { recursive: true });
  const program = `import { createServer } from 'node:http';
createServer((_, answer) => answer.end('{"version":"${version}"}')).listen(${'process.env.PORT'}, '127.0.0.1');\n`;
  await writeArchive(path, [{ name: 'robot.mjs', content: program }]);
  server.releases.unshift({
    tag: `v${version}`,
    body: `What is new in ${version}.`,
    assets: [
      { name: `robot-${version}-${process.platform}-${process.arch}.tar.gz`, bytes: readFileSync(path) },
      { name: `robot-${version}-win32-ia32.zip`, bytes: 'not for here' },
    ],
  });
}

test('is installed, checked, updated and diagnosed; its token is shown nowhere', { timeout: 180_000 }, async () => {
  expect((await home.fettle(['up', '--detach'])).code).toBe(0);
  const first = await home.fettle(['say', '/update status robot']);
  await put('1.1.0');
  const checked = await home.fettle(['say', '/update check robot']);
  expect(checked.out, first.out).toMatch(/robot 1\.1\.0 is available/);
  expect(checked.out).toContain('github acme/robot');
  expect(checked.out).toContain('What is new in 1.1.0.');
  const updated = await home.fettle(['say', '/update now robot']);
  expect(updated.out, updated.err).toMatch(/robot is back online, 1\.1\.0/);
  expect(await (await fetch(`http://127.0.0.1:${port}/health`)).json()).toEqual({ version: '1.1.0' });
  const doctor = await home.fettle(['doctor']);
  expect(doctor.out).toMatch(/github acme\/robot answers/);
  expect(doctor.out).toMatch(/robot 1\.1\.0 would be robot-1\.1\.0-.*\.tar\.gz here; the API says its sha256/);
  server.habits.token = 'another';
  const refused = await home.fettle(['say', '/update check robot']);
  expect(refused.out).toMatch(/refuses the token \(401/);
  expect(server.violations).toEqual([]);
  const logs = ['hub', 'agent', 'robot'].map((name) => readFileSync(home.layout.appLog(name), 'utf8'));
  const shown = [first, checked, updated, doctor, refused].map(({ out, err }) => out + err);
  expect([...logs, ...shown].join('\n')).not.toContain(TOKEN);
});
