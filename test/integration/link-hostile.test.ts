import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createSealer } from '../../src/protocol/frames.ts';
import { hubProof } from '../../src/protocol/handshake.ts';
import { type AgentMessage, SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { startTestAgent, startTestHub, type TestAgent, type TestHub } from '../support/hub-and-link.ts';
import { addressOf, connectRaw, deviceKey } from '../support/raw-agent.ts';
import { until } from '../support/until.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startHub(events?: Parameters<typeof startTestHub>[1]): Promise<TestHub> {
  const hub = await startTestHub({}, events);
  ends.push(() => hub.stop());
  return hub;
}
function agentOf(hub: TestHub, id: string, address = addressOf(hub), key = hub.key.publicKey): TestAgent {
  const agent = startTestAgent(hub, id, { hub: () => ({ address, key }) });
  ends.push(() => agent.stop());
  return agent;
}

interface Hostile {
  readonly socket: WebSocket;
  readonly nonces: { readonly hub: string; readonly agent: string };
}
/** A hub of its own making, which may have the right key. Answers its address and every connection. */
async function startHostile(sign: (text: string) => string, onWelcomed: (hostile: Hostile) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  ends.push(() => server.close());
  const codes: number[] = [];
  server.on('connection', (socket) => {
    ends.push(() => socket.terminate());
    const hub = randomBytes(24).toString('base64');
    socket.on('close', (code) => codes.push(code));
    socket.once('message', (data) => {
      const hello = JSON.parse(data.toString()) as Extract<AgentMessage, { type: 'hello' }>;
      const signature = sign(hubProof(hub, hello.nonce, hello.device));
      socket.send(JSON.stringify({ type: 'welcome', epoch: 1, signature, now: Date.now() }));
      onWelcomed({ socket, nonces: { hub, agent: hello.nonce } });
    });
    socket.send(JSON.stringify({ type: 'challenge', nonce: hub, hub: 'h', version: '1.0.0', now: Date.now() }));
  });
  return { address: `ws://127.0.0.1:${(server.address() as { port: number }).port}/agent`, codes };
}
const force = { type: 'force', update: 'u-1' };

test('a hub with another key is not believed: nothing it says is done, nothing is told', async () => {
  const hub = await startHub();
  const other = deviceKey();
  const heard: string[] = [];
  const hostile = await startHostile(other.sign, ({ socket, nonces }) => {
    socket.on('message', (data) => heard.push(data.toString()));
    socket.send(createSealer('hub', nonces, other.sign).seal(force) ?? '');
  });
  const agent = agentOf(hub, 'd-1', hostile.address);
  await until('the end', () => hostile.codes.length > 0);
  expect(hostile.codes[0]).toBe(4003);
  expect(agent.told).toEqual([]);
  expect(agent.link.connected()).toBe(false);
  expect(heard).toEqual([]);
  expect(agent.log[0]).toContain('bad_signature');
});

test.each<[string, (hostile: Hostile, sign: (text: string) => string) => void]>([
  ['unsigned', ({ socket }) => socket.send(JSON.stringify(force))],
  [
    'replayed',
    ({ socket, nonces }, sign) => {
      const frame = createSealer('hub', nonces, sign).seal({ type: 'unknown', seen: 'x' }) ?? '';
      socket.send(frame);
      socket.send(frame);
    },
  ],
  [
    'out of order',
    ({ socket, nonces }, sign) => {
      const sealer = createSealer('hub', nonces, sign);
      sealer.seal(force);
      socket.send(sealer.seal(force) ?? '');
    },
  ],
  [
    'changed',
    ({ socket, nonces }, sign) =>
      socket.send((createSealer('hub', nonces, sign).seal(force) ?? '').replace('u-1', 'u-2')),
  ],
  [
    "with the agent's direction",
    ({ socket, nonces }, sign) => socket.send(createSealer('agent', nonces, sign).seal(force) ?? ''),
  ],
  [
    'of another connection',
    ({ socket, nonces }, sign) =>
      socket.send(createSealer('hub', { ...nonces, agent: 'A'.repeat(32) }, sign).seal(force) ?? ''),
  ],
  [
    'signed by somebody else',
    ({ socket, nonces }) => socket.send(createSealer('hub', nonces, deviceKey().sign).seal(force) ?? ''),
  ],
])('to an agent a message that is %s does nothing, and ends the connection', async (_, attack) => {
  const hub = await startHub();
  const key = deviceKey();
  const hostile = await startHostile(key.sign, (of) => attack(of, key.sign));
  const agent = agentOf(hub, 'd-1', hostile.address, key.publicKey);
  await until('the end', () => hostile.codes.length > 0);
  expect(hostile.codes[0]).toBe(4006);
  expect(agent.told.filter(({ message }) => message.type !== 'unknown')).toEqual([]);
  expect(agent.log.join('\n')).toContain('bad_signature');
});

test('a stranger, a device that is held and one that is revoked are told so by code, and only with the key', async () => {
  const hub = await startHub();
  const key = deviceKey();
  hub.devices.set('d-1', { publicKey: key.publicKey, state: 'held' });
  await expect(connectRaw(hub, 'd-1', deviceKey())).rejects.toThrow('4001');
  await expect(connectRaw(hub, 'd-1', key)).rejects.toThrow('4004');
  hub.devices.set('d-1', { publicKey: key.publicKey, state: 'revoked' });
  await expect(connectRaw(hub, 'd-1', key)).rejects.toThrow('4005');
  expect(hub.events).toEqual([]);
});

test('a device that is revoked while it is connected is heard no more', async () => {
  const hub = await startHub();
  const agent = await connectRaw(hub, 'd-1');
  agent.say({ type: 'unknown', seen: 'before' });
  await until('it to be heard', () => hub.heard.length === 1);
  hub.gateway.end('d-1', 'revoked');
  agent.say({ type: 'unknown', seen: 'after' });
  expect((await agent.closed).code).toBe(4005);
  await until('its end', () => hub.events.length === 2);
  expect(hub.heard).toHaveLength(1);
});

test('a crowd at the door: it is bounded, those who are in are served, and who is sent away comes back later', async () => {
  const hub = await startHub();
  const inside = agentOf(hub, 'd-1');
  await until('a connection', () => inside.link.connected());
  const sockets: WebSocket[] = [];
  const answers: number[] = [];
  let open = 0;
  for (let n = 0; n < 1_005; n += 1) {
    const socket = new WebSocket(addressOf(hub), SUBPROTOCOL);
    socket.on('error', () => undefined);
    socket.on('open', () => {
      open += 1;
    });
    socket.on('unexpected-response', (_, response) => {
      answers.push(response.statusCode ?? 0);
      expect(response.headers['retry-after']).toBe('10');
      socket.terminate();
    });
    sockets.push(socket);
    if (n % 50 === 49) await until('these to be answered', () => open + answers.length === n + 1);
  }
  await until('all to be answered', () => open + answers.length === 1_005);
  expect(answers).toEqual([503, 503, 503, 503, 503]);
  const late = agentOf(hub, 'd-2');
  await until('it to be sent away', () => late.log.some((line) => line.includes('503')));
  hub.gateway.send('d-1', { type: 'cancel', update: 'u-1' });
  await until('the message', () => inside.told.length === 1);
  for (const socket of sockets) socket.terminate();
  await until('room', async () => {
    const raw = await connectRaw(hub, 'd-3').catch(() => undefined);
    await raw?.close();
    return raw !== undefined;
  });
}, 60_000);

test('browsers, other paths and broken upgrades are refused, and the hub goes on', async () => {
  const hub = await startHub();
  const { port } = new URL(addressOf(hub));
  const ask = (head: string) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(head));
      socket.on('data', (data) => {
        answer += data.toString();
      });
      socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
      socket.on('error', () => resolve('reset'));
    });
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  expect(await ask(`GET /agent HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n${upgrade}\r\n`)).toContain('403');
  expect(await ask(`GET /other HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`)).toContain('404');
  expect(await ask(`GET /agent?x HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`)).toContain('404');
  expect(await ask('GET /agent HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')).toContain(
    '400',
  );
  // Gone before it is answered: nobody else listens for the error.
  for (let n = 0; n < 20; n += 1) {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write(`GET /other HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
      socket.resetAndDestroy();
    });
    await new Promise((resolve) => socket.on('close', resolve));
  }
  const agent = agentOf(hub, 'd-1');
  await until('a connection', () => agent.link.connected());
});

test('what is too large is sent with less in it, and says so', async () => {
  const hub = await startHub();
  const agent = agentOf(hub, 'd-1');
  await until('a connection', () => agent.link.connected());
  const of = (type: string) =>
    until(type, () => hub.heard.find(({ message }) => message.type === type)?.message as never);
  agent.link.send({ type: 'log', request: 'l-1', text: '\u0001'.repeat(64_000) });
  const log: { text: string } = await of('log');
  expect(log.text).toMatch(/^… cut/);
  expect(log.text.length).toBeGreaterThan(15_000);
  const long = 'v'.repeat(100);
  const backup = { at: 1, from: long, to: long, bytes: 1, files: 1, ofRunning: false, by: 'x'.repeat(60) };
  const backups = Array.from({ length: 500 }, (_, n) => ({ ...backup, seq: 500 - n }));
  agent.link.send({ type: 'backups', request: 'b-1', backups, strange: [] });
  expect(((await of('backups')) as { backups: unknown[] }).backups).toHaveLength(500);
  const app = { version: long, digest: `sha512-${'d'.repeat(88)}`, health: 'healthy' as const, blocked: [long, long] };
  const apps = Array.from({ length: 1_200 }, (_, n) => ({
    ...app,
    app: `app-${n}`,
    ...(n === 1_100 ? { update: 'u-1' } : {}),
  }));
  agent.link.send({ type: 'inventory', apps, recovered: true });
  const inventory: { apps: { app: string; update?: string }[]; omitted: number } = await of('inventory');
  expect(inventory.apps.length + inventory.omitted).toBe(1_200);
  expect(inventory.apps.length).toBeGreaterThan(200);
  expect(inventory.apps.some(({ update }) => update === 'u-1')).toBe(true);
  expect(agent.link.connected()).toBe(true);
});

test('nobody between can say of a device that it is on a second machine', async () => {
  const seen: (string | undefined)[] = [];
  const hub = await startHub({
    events: {
      connected: async ({ machine }) => seen.push(machine),
      message: async () => undefined,
      disconnected: async () => undefined,
    },
  });
  const second = 'b'.repeat(64);
  const through = async (change: (hello: Record<string, unknown>) => object) => {
    const between = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => SUBPROTOCOL });
    let code = 0;
    between.on('connection', (agent) => {
      const onwards = new WebSocket(addressOf(hub), SUBPROTOCOL);
      const opened = new Promise((resolve) => onwards.once('open', resolve));
      onwards.on('message', (data) => agent.send(data.toString()));
      onwards.on('close', (at) => {
        code = at;
      });
      agent.on('message', async (data) => {
        const said = JSON.parse(data.toString()) as Record<string, unknown>;
        await opened;
        onwards.send(JSON.stringify(said.type === 'hello' ? change(said) : said));
      });
      agent.on('close', () => onwards.close());
    });
    await new Promise((resolve) => between.once('listening', resolve));
    const address = `ws://127.0.0.1:${(between.address() as AddressInfo).port}/agent`;
    const before = seen.length;
    const agent = startTestAgent(hub, 'd-1', { hub: () => ({ address, key: hub.key.publicKey }) });
    try {
      return await until('an answer of the hub', () =>
        seen.length > before ? `let in: ${seen.at(-1) ?? 'no machine'}` : code > 1_000 ? `closed: ${code}` : undefined,
      );
    } finally {
      agent.stop();
      between.close();
    }
  };
  expect(await through((hello) => hello)).toBe('let in: no machine');
  expect(await through((hello) => ({ ...hello, machine: second }))).toBe('closed: 4001');
  expect(await through((hello) => ({ ...hello, version: '9.9.9' }))).toBe('closed: 4001');
  expect(await through(({ about: _, ...hello }) => ({ ...hello, machine: second }))).toBe('let in: no machine');
});
