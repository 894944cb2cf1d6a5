import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { HomeLayout } from '../../config/home.ts';
import type { Clock } from '../domain/id.ts';
import { makeFolder, writeDurably } from '../files/durable.ts';
import { publishHello } from './samples/hello.ts';

/** Version that the sample web server starts with: old enough that there is something to update to. */
const WEB_FIRST = '2.0.2';

export interface FirstRun {
  readonly webPort: number;
  readonly helloPort: number;
}

/**
 * Makes a home for somebody who has none: a configuration with two apps to try updates on. The configuration is
 * written last, in one rename; what was cut off before that is made again.
 *
 * @param userOf as whom each app runs, where that is not Fettle's own user
 * @returns what was made; `undefined` where there is a configuration already
 */
export async function firstRun(
  layout: HomeLayout,
  clock: Clock,
  userOf?: (app: string) => string,
): Promise<FirstRun | undefined> {
  if (existsSync(layout.config)) return undefined;
  const [webPort, helloPort] = await freePorts(2);
  if (webPort === undefined || helloPort === undefined) throw new Error('no free ports');
  const releases = join(layout.releases, 'hello');
  const work = join(layout.home, 'tmp');
  await publishHello(releases, work, clock);
  rmSync(work, { recursive: true, force: true });
  const site = join(layout.app('web').shared, 'site');
  makeFolder(site);
  const page = join(site, 'index.html');
  if (!existsSync(page)) writeFileSync(page, PAGE);
  writeDurably(layout.config, configuration(webPort, helloPort, userOf), 0o600);
  return { webPort, helloPort };
}

const PAGE = `<!doctype html>
<title>web, kept by Fettle</title>
<h1>It works.</h1>
<p>This page is served by <code>sirv-cli</code> from <code>apps/web/shared/site</code>. Update the server under it: <code>/update now web</code></p>
`;

function configuration(webPort: number, helloPort: number, userOf?: (app: string) => string): string {
  const user = (app: string) => (userOf ? `\n    user: ${userOf(app)}` : '');
  return `# Fettle's configuration: what is kept up to date on this machine. Every key is described in docs/configuration.md.
# Two apps to try things on were put here at the first start. Replace them with your own.

apps:
  # A real web server from npm, installed a few versions behind.
  web:
    source: npm sirv-cli
    install: ${WEB_FIRST}${user('web')}
    run: sirv site --host 127.0.0.1 --port ${webPort} --quiet
    keep: [site]
    healthy:
      http: http://127.0.0.1:${webPort}/
      for: 3s

  # A small service with three releases in a folder. 1.2.0 is broken on purpose: see how it is rolled back.
  hello:
    source: folder releases/hello
    install: 1.0.0${user('hello')}
    run: node server.mjs
    env: {PORT: ${helloPort}}
    keep: [data]
    healthy:
      http: http://127.0.0.1:${helloPort}/version
      version: .version
      for: 3s
    deadlines: {probing: 15s}
`;
}

/** Ports on loopback that nobody has now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
