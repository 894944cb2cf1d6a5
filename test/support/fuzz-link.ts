import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import { createLink } from '../../agent/link.ts';
import { createPolicy } from '../../agent/policy.ts';
import { createOpener } from '../../src/protocol/frames.ts';
import { hubProof } from '../../src/protocol/handshake.ts';
import { openKey, signedBy } from '../../src/protocol/key.ts';
import { drawOf, HUB_SAMPLES, message, pick } from './fuzz-protocol.ts';
import { createWatch, type FuzzResult } from './fuzz-watch.ts';
import { machineClock } from './hub-and-link.ts';
import { deviceKey } from './raw-agent.ts';
import { until } from './until.ts';

/** `count` messages of a hostile hub, which has the right key, against a real link and the policy behind it. */
export async function fuzzLink(seed: number, count: number): Promise<FuzzResult> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-fuzz-'));
  const draw = drawOf(seed);
  const hubKey = deviceKey();
  const ownKey = openKey(join(folder, 'key'));
  const server = createServer();
  const wss = new WebSocketServer({ server });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/agent`;
  const closes = new Map<string, number>();
  const config = { apps: { web: { source: { kind: 'folder', path: '/releases' } } } } as never;
  const policy = createPolicy(config, {}, 'd-1', join(folder, 'orders'));
  const taken = new Map<string, number>();
  const lines: string[] = [];
  let left = count;
  let connected = 0;
  const watch = createWatch();
  const done = Promise.withResolvers<void>();
  let good: { readonly say: (text: string) => void } | undefined;

  const link = createLink({
    hub: () => ({ address, key: hubKey.publicKey }),
    key: ownKey,
    device: { id: 'd-1', name: 'd-1', platform: 'linux-x64', version: '1.0.0' },
    clock: machineClock,
    random: (length) => randomBytes(length),
    onConnected: () => {
      connected += 1;
    },
    async onMessage(said, hubNow) {
      taken.set(said.type, (taken.get(said.type) ?? 0) + 1);
      if (said.type === 'order') policy.admit(said.order, hubNow);
      if (said.type === 'read-log') link.send({ type: 'log', request: said.request, text: 'a line\n'.repeat(50) });
    },
    log: (line) => {
      lines.push(line);
      if (lines.length > 2_000) lines.splice(0, 1_000);
    },
  });

  wss.on('connection', (socket) => {
    socket.on('close', (code) => {
      closes.set(String(code), (closes.get(String(code)) ?? 0) + 1);
    });
    void session(socket).catch((error: unknown) => done.reject(error));
  });

  async function session(socket: WebSocket): Promise<void> {
    const queue: string[] = [];
    let wake: () => void = () => undefined;
    let open = true;
    socket.on('message', (data) => {
      queue.push(data.toString());
      wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open = false;
      wake();
    });
    const next = async (): Promise<string | undefined> => {
      while (open && queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return queue.shift();
    };
    const counted = (text: string | Buffer, options = {}) => {
      left -= 1;
      socket.send(text, options);
    };
    const early = draw();
    if (left > 0 && early < 0.3) counted(message(draw, HUB_SAMPLES));
    const nonce = randomBytes(24).toString('base64');
    socket.send(JSON.stringify({ type: 'challenge', nonce, hub: 'h', version: '1.0.0', now: Date.now() }));
    let hello: { device: string; nonce: string } | undefined;
    while (open && hello === undefined) {
      const said = JSON.parse((await next()) ?? 'null') as { type: string; device: string; nonce: string } | null;
      if (said?.type === 'hello') hello = said;
    }
    if (!hello) return;
    if (left > 0 && early > 0.8) counted(message(draw, HUB_SAMPLES));
    const signature = hubKey.sign(hubProof(nonce, hello.nonce, hello.device));
    socket.send(JSON.stringify({ type: 'welcome', epoch: 1, signature, now: Date.now() }));
    let seq = 0;
    const frame = (body: string, at = ++seq) => {
      const text = ['fettle.v1 frame', 'hub', nonce, hello.nonce, String(at), body].join('\n');
      return JSON.stringify({ type: 'signed', seq: at, body, signature: hubKey.sign(text) });
    };
    const opener = createOpener('agent', { hub: nonce, agent: hello.nonce }, signedBy(ownKey.publicKey));
    while (open && left > 0) {
      if (left === Math.max(1, count - 2_000)) watch.start();
      const body = message(draw, HUB_SAMPLES)
        .replace('"expiresAt":2', `"expiresAt":${Date.now() + 60_000}`)
        .replace('"id":"o-1"', `"id":"o-${left}"`);
      const how = draw();
      if (how < 0.02) counted(body);
      else if (how < 0.03) counted(frame(body, seq + 2));
      else if (how < 0.04) counted(frame(body).replace(/"signature":"..../, '"signature":"AAAA'));
      else if (how < 0.05) counted(Buffer.from(frame(body)), { binary: true });
      else if (how < 0.06) counted(frame(body).slice(0, 50));
      else if (how < 0.065) counted('x'.repeat(300_000));
      else if (how < 0.1) {
        const whole = frame(body);
        socket.send(whole.slice(0, 20), { fin: false });
        counted(whole.slice(20), { fin: true });
      } else counted(frame(body));
      const probe = `probe-${left}`;
      socket.send(frame(JSON.stringify({ type: probe })));
      for (let seen = false; open && !seen; ) {
        const said = await next();
        const read = said === undefined ? undefined : opener.open(JSON.parse(said));
        seen = read?.includes(`"${probe}"`) ?? false;
      }
    }
    if (open) {
      good = { say: (text) => socket.send(frame(text)) };
      done.resolve();
    }
  }

  // What is tested is the next connection, not the wait before it.
  const hurry = setInterval(() => link.hurry(), 5);
  try {
    link.start();
    await done.promise;
    // It goes on as before.
    const before = taken.get('hold') ?? 0;
    await until('the link', () => link.connected());
    good?.say('{"type":"hold","update":"u-1"}');
    await until('a message to be taken', () => (taken.get('hold') ?? 0) > before);
    const reached = Object.fromEntries([...taken].sort());
    return {
      ...watch.end(),
      messages: count,
      closes: { ...Object.fromEntries([...closes].sort()), ...reached, connected },
    };
  } finally {
    watch.stop();
    clearInterval(hurry);
    link.stop();
    wss.close();
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One of the seeds of a run, for a line of output. */
export const seedOf = (text: string | undefined): number =>
  Number(text ?? pick(Math.random, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
