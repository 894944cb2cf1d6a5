import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { type KeeperRequest, parseRequest } from './parse.ts';
import type { KeeperResponse } from './protocol.ts';
import { after } from './times.ts';

const LONGEST_LINE = 1024 * 1024;
const CONNECTIONS = 256;
const DRAIN_MS = 1_000;

/**
 * Listens on a Unix socket that only this user can reach. Call it with the home's lock held: what is at the path is
 * then nobody's and is removed.
 *
 * @param answer gives the result of a request, or throws
 * @throws {FettleError} `home_not_writable` where the folder is somebody else's or a link
 */
export async function listen(path: string, answer: (request: KeeperRequest) => Promise<unknown>): Promise<Server> {
  makePrivateFolder(dirname(path));
  rmSync(path, { force: true });
  const server = createServer((socket) => serve(socket, answer));
  server.maxConnections = CONNECTIONS;
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  } catch (error) {
    throw toFettleError(error, 'home_not_writable', { path });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  return server;
}

/** A folder of ours alone. The one above it may be anybody's to write in only where names are safe there (sticky). */
function makePrivateFolder(folder: string): void {
  const user = process.geteuid?.() ?? 0;
  const above = dirname(folder);
  mkdirSync(above, { recursive: true, mode: 0o700 });
  const parent = lstatSync(above);
  const open = (parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0;
  if (open || (parent.uid !== user && parent.uid !== 0)) throw notOurs(above);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== user) throw notOurs(folder);
  if ((stat.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

function notOurs(path: string): FettleError {
  return new FettleError('home_not_writable', { data: { path, reason: 'the folder is not ours alone' } });
}

function serve(socket: Socket, answer: (request: KeeperRequest) => Promise<unknown>): void {
  let buffered = '';
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    buffered += chunk;
    for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      if (line.length > LONGEST_LINE) return tooLong();
      if (line.trim() !== '') void respond(line);
    }
    if (buffered.length > LONGEST_LINE) tooLong();
  });

  /** Says why, and goes on reading for a moment: closing on unread input would take the answer away. */
  function tooLong(): void {
    buffered = '';
    socket.removeAllListeners('data').resume();
    send(refusal(0, new FettleError('protocol_violation', { data: { reason: 'a line of more than 1 MB' } })));
    socket.end();
    after(DRAIN_MS, () => socket.destroy());
  }

  async function respond(line: string): Promise<void> {
    const parsed = parseRequest(line);
    if (!parsed.ok) {
      send(refusal(parsed.id, new FettleError('protocol_violation', { data: { reason: parsed.reason } })));
      return;
    }
    const { id } = parsed.request;
    try {
      const result = await answer(parsed.request);
      send({ id, ok: true, result: result ?? {} });
    } catch (error) {
      send(refusal(id, toFettleError(error, 'internal')));
    }
  }

  function send(response: KeeperResponse): void {
    if (!socket.writable) return;
    // Who asks and does not listen must not fill our memory.
    if (socket.writableLength > 4 * LONGEST_LINE) socket.destroy();
    else socket.write(`${JSON.stringify(response)}\n`);
  }
}

function refusal(id: number, error: FettleError): KeeperResponse {
  return { id, ok: false, code: error.code, message: error.message };
}
