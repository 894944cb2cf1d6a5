import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Clock } from '../../domain/id.ts';
import { makeFolder } from '../../files/durable.ts';
import { publish } from '../publish.ts';

/** `hello`: a small service to try updates on. 1.2.0 is broken on purpose. */

interface HelloRelease {
  readonly version: string;
  readonly notes: string;
  /** Answers its health check with an error, after it has changed its data: what a rollback has to undo. */
  readonly broken: boolean;
}

const RELEASES: readonly HelloRelease[] = [
  { version: '1.0.0', notes: 'The first release: says hello and counts its visits.', broken: false },
  { version: '1.1.0', notes: 'Says hello in Chinese, too.', broken: false },
  {
    version: '1.2.0',
    notes: 'Broken on purpose: changes its data, then fails its health check. Fettle takes you back.',
    broken: true,
  },
];

/** The program of one release. No dependencies; `data/visits.json` is what it keeps. */
function program({ version, broken }: HelloRelease): string {
  const greeting = version === '1.0.0' ? 'Hello!' : 'Hello! 你好！';
  return `import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const VERSION = '${version}';
const FILE = 'data/visits.json';
const read = () => JSON.parse(readFileSync(FILE, 'utf8'));
const write = (data) => {
  writeFileSync(FILE + '.new', JSON.stringify(data) + '\\n');
  renameSync(FILE + '.new', FILE);
};
${
  broken
    ? `
// A release with a migration that only it understands, and a bug that shows afterwards.
console.log('migrating', FILE, 'to format 2');
write({ format: 2, entries: [{ visits: read().visits }] });
console.log('connecting to the statistics service with token=hello-demo-token-4711');
console.error('statistics service: certificate has expired');
`
    : ''
}
const server = createServer((request, response) => {
  if (request.url === '/version') {
    response.writeHead(${broken ? '500' : '200'}, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ version: VERSION }));
  } else {
    const data = read();
    data.visits += 1;
    write(data);
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(\`${greeting} This is hello \${VERSION}; you are visitor \${data.visits}.\\n\`);
  }
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('hello', VERSION, 'listens on', process.env.PORT));
process.on('SIGTERM', () => process.exit(0));
`;
}

/** Publishes the sample's releases into a folder, as `fettle publish` does. Those that are there stay as they are. */
export async function publishHello(folder: string, work: string, clock: Clock): Promise<void> {
  makeFolder(work);
  for (const release of RELEASES) {
    const path = join(work, `hello-${release.version}.tar.gz`);
    const archive = pack();
    // The same bytes at each call: a fixed time, no owner.
    const header = { mtime: new Date(0), mode: 0o644 };
    archive.entry({ ...header, name: 'server.mjs' }, program(release));
    archive.entry({ ...header, name: 'data/visits.json' }, '{"visits":0}\n');
    archive.finalize();
    await pipeline(archive, createGzip({ level: 9 }), createWriteStream(path, { mode: 0o600 }));
    const files = [{ platform: 'any', path }];
    await publish({
      folder,
      app: 'hello',
      version: release.version,
      files,
      notes: release.notes,
      expiresDays: 3_650,
      clock,
    });
  }
}
