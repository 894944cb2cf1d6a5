/** Programs that look around as somebody would who has taken them over. */

/** Opens each path as this very process, and says how that ended. Nothing is changed. */
export const TRIES = `
import { closeSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
const attempt = (path, flags) => { try { closeSync(openSync(path, flags)); return 'yes'; } catch (e) { return e.code; } };
const connects = (path) => new Promise((done) => createConnection(path).on('connect', function () { this.destroy(); done('yes'); }).on('error', (e) => done(e.code)));
export async function tries() {
  const { reads, writes, sockets } = JSON.parse(globalThis.TRIES ?? process.env.TRIES);
  return {
    uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(),
    reads: Object.fromEntries(reads.map((path) => [path, attempt(path, 'r')])),
    writes: Object.fromEntries(writes.map((path) => [path, attempt(path, 'a')])),
    sockets: Object.fromEntries(await Promise.all(sockets.map(async (path) => [path, await connects(path)]))),
  };
}
`;
/** A web service with the same; `data/store` is its data. */
export const SERVER = (version: string) => `import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tries } from './tries.mjs';
createServer(async (request, response) => {
  if (request.url === '/tries') return response.end(JSON.stringify(await tries()));
  if (request.method === 'POST') writeFileSync('data/store', request.url);
  const data = existsSync('data/store') ? readFileSync('data/store', 'utf8') : '';
  response.end(JSON.stringify({ version: '${version}', data, uid: process.getuid() }));
}).listen(Number(process.env.PORT), '127.0.0.1');
`;

/** What {@link TRIES} answers: `yes`, or the code of the error. */
export interface Tried {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly reads: Readonly<Record<string, string>>;
  readonly writes: Readonly<Record<string, string>>;
  readonly sockets: Readonly<Record<string, string>>;
}
