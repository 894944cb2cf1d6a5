import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  askStatus,
  connectTerminal,
  createTerminalAdapter,
  type TerminalClient,
} from '../../adapters/terminal/index.ts';
import type { Adapter, Sink } from '../../src/chat/contract.ts';
import { until } from '../support/until.ts';
import { adapterContract, FakeSink, type Stage } from './adapter.ts';

const STATUS = { version: '0.1.0', pid: 1, ready: true, waitingFor: [], apps: [] };

function makeAdapter(socket: string, ackMs = 2_000): Adapter {
  return createTerminalAdapter({
    socket,
    now: () => Date.now(),
    status: async () => STATUS,
    log: () => undefined,
    ackMs,
  });
}

async function makeStage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-terminal-'));
  const socket = join(folder, 'run', 'hub.sock');
  const messages = new Map<string, string>();
  let client: TerminalClient | undefined;
  const come = async () => {
    const made = connectTerminal({
      socket,
      newId: randomUUID,
      mode: 'chat',
      language: 'en',
      connectMs: 5_000,
      reconnectMs: 5_000,
      onMessage: ({ key, reply }) => void messages.set(key, reply.title),
      onState: () => undefined,
    });
    client = made;
    await until('the attachment', () => made.connected);
    // The hub has heard hello once it answers what came after it.
    await made.status();
  };
  return {
    saysWhen: false,
    makeAdapter: () => makeAdapter(socket),
    async type(text) {
      if (!client) throw new Error('nobody is there');
      return client.request(text);
    },
    async repeat(eventId, text) {
      const raw = createConnection(socket);
      await new Promise((resolve) => raw.once('connect', resolve));
      raw.end(`${JSON.stringify({ type: 'request', eventId, text })}\n`);
    },
    seen: () => [...messages.values()],
    attendance: {
      come,
      async leave() {
        client?.close();
        client = undefined;
      },
    },
    async close() {
      client?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

adapterContract('terminal', makeStage);

const noSink: Sink = new FakeSink();

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-terminal-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('the socket is for this user alone', () =>
  withFolder(async (folder) => {
    const adapter = makeAdapter(join(folder, 'run', 'hub.sock'));
    await adapter.start(noSink);
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'run', 'hub.sock')).mode & 0o777).toBe(0o600);
    await adapter.stop();
  }));

test('a folder that others may enter is closed; a socket that a crash left is replaced', () =>
  withFolder(async (folder) => {
    chmodSync(folder, 0o755);
    const path = join(folder, 'hub.sock');
    const first = makeAdapter(path);
    await first.start(noSink);
    const second = makeAdapter(path);
    await second.start(noSink);
    expect(second.connection().state).toBe('unattended');
    expect(statSync(folder).mode & 0o077).toBe(0);
    expect(await askStatus(path, 1_000)).toEqual(STATUS);
    await first.stop();
    await second.stop();
  }));

test.each([
  [
    'a file in its place',
    (folder: string) => writeFileSync(join(folder, 'hub.sock'), 'mine'),
    'hub.sock',
    /is no socket/,
  ],
  ['a path that is too long', () => undefined, `${'x'.repeat(120)}.sock`, /longer than/],
])('%s: says so, and is failed', (_, prepare, name, reason) =>
  withFolder(async (folder) => {
    prepare(folder);
    const adapter = makeAdapter(join(folder, name));
    await adapter.start(noSink);
    expect(adapter.connection()).toMatchObject({ state: 'failed', lastError: expect.stringMatching(reason) });
    await adapter.stop();
  }),
);

test('a client that sends no end of a line, or nonsense, harms nobody', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'hub.sock');
    const adapter = makeAdapter(path);
    await adapter.start(noSink);
    const raw = createConnection(path);
    const closed = new Promise((resolve) => raw.once('close', resolve));
    raw.on('error', () => undefined);
    raw.write('nonsense\n{"type":"hello"}\n{"type":"flux"}\n[]\n');
    raw.write('x'.repeat(200_000));
    await closed;
    expect(await askStatus(path, 1_000)).toEqual(STATUS);
    await adapter.stop();
  }));

test('a client that is stopped does not hold up the others', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'hub.sock');
    const adapter = makeAdapter(path, 150);
    await adapter.start(noSink);
    // Attached, but it never says that it showed anything.
    const stopped = createConnection(path);
    stopped.write(`${JSON.stringify({ type: 'hello', client: 'c1', mode: 'chat' })}\n`);
    await until('the attachment', () => adapter.connection().state === 'connected');
    const message = {
      key: 'k1',
      route: { platform: 'terminal', chat: 'terminal' },
      reply: { tone: 'info' as const, title: 'x' },
      final: true,
      failed: false,
    };
    expect(await adapter.send(message)).toEqual({ result: 'unattended' });
    expect(adapter.connection().state).toBe('unattended');
    stopped.destroy();
    await adapter.stop();
  }));

test('a say client gets the answers to its own requests only', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'hub.sock');
    const adapter = makeAdapter(path);
    await adapter.start(noSink);
    const got: string[] = [];
    const client = connectTerminal({
      socket: path,
      newId: randomUUID,
      mode: 'say',
      language: undefined,
      connectMs: 1_000,
      reconnectMs: 1_000,
      onMessage: ({ reply }) => void got.push(reply.title),
      onState: () => undefined,
    });
    const eventId = client.request('/x');
    await until('the attachment', () => client.connected);
    await client.status();
    const message = (key: string, answers: string | undefined) => ({
      key,
      route: { platform: 'terminal', chat: 'terminal' },
      reply: { tone: 'info' as const, title: key },
      ...(answers === undefined ? {} : { answers }),
      final: true,
      failed: false,
    });
    expect(await adapter.send(message('of another', 'e0'))).toEqual({ result: 'unattended' });
    expect(await adapter.send(message('for everybody', undefined))).toEqual({ result: 'unattended' });
    expect(await adapter.send(message('its own', eventId))).toEqual({ result: 'sent', ref: 'its own' });
    expect(got).toEqual(['its own']);
    client.close();
    await adapter.stop();
  }));

/** A chat client that is attached, and everything that its screen is told. */
async function attach(path: string) {
  const told: { title: string; again: boolean }[] = [];
  const client = connectTerminal({
    socket: path,
    newId: randomUUID,
    mode: 'chat',
    language: undefined,
    connectMs: 1_000,
    reconnectMs: 5_000,
    onMessage: ({ reply }, again) => void told.push({ title: reply.title, again }),
    onState: () => undefined,
  });
  await until('the attachment', () => client.connected);
  await client.status();
  return { client, told };
}

const finalAnswer = (answers: string) => ({
  key: 'k1',
  route: { platform: 'terminal', chat: 'terminal' },
  reply: { tone: 'good' as const, title: 'done' },
  answers,
  final: true,
  failed: false,
});

test('a message that the screen shows already is acknowledged and not shown again, also by the next hub', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'hub.sock');
    const first = makeAdapter(path);
    await first.start(noSink);
    const { client, told } = await attach(path);
    for (let i = 0; i < 3; i += 1) expect((await first.send(finalAnswer('e1'))).result).toBe('sent');
    await first.stop();
    const second = makeAdapter(path);
    await second.start(noSink);
    await until('the reconnection', () => second.connection().state === 'connected');
    expect((await second.send(finalAnswer('e1'))).result).toBe('sent');
    expect(told).toEqual([{ title: 'done', again: false }]);
    client.close();
    await second.stop();
  }));

test('who asks again what was answered already is shown the answer', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'hub.sock');
    const adapter = makeAdapter(path);
    await adapter.start({
      ...noSink,
      accept: async () => 'duplicate',
      answersTo: async (eventId) => [finalAnswer(eventId)],
    });
    const { client, told } = await attach(path);
    client.request('/update now');
    await until('the answer', () => told.length === 1);
    client.close();
    await adapter.stop();
  }));
