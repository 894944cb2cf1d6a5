import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { publish } from '../src/cli/publish.ts';
import { writeArchive } from '../test/support/artifact.ts';

/** The app that is measured: a small real web server, which ends as soon as it is told to. */
export function program(version: string): string {
  return `import { createServer } from 'node:http';
createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ version: '${version}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;
}

/** Publishes releases of it, as `fettle publish` does. */
export async function publishApp(home: string, versions: readonly string[]): Promise<void> {
  const work = join(home, 'work');
  mkdirSync(work, { recursive: true });
  for (const version of versions) {
    const path = join(work, `app-${version}.tar.gz`);
    await writeArchive(path, [{ name: 'server.mjs', content: program(version) }]);
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    await publish({ folder: join(home, 'releases'), app: 'app', version, files: [{ platform: 'any', path }], clock });
  }
}

/** Writes `fettle.yaml` for it. No `keep`: there is no data to save. */
export function configureApp(home: string, port: number, install: string): void {
  writeFileSync(
    join(home, 'fettle.yaml'),
    `apps:
  app:
    source: folder releases
    install: ${install}
    run: node server.mjs
    env: {PORT: ${port}}
    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, for: 300ms, every: 100ms}
`,
  );
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
