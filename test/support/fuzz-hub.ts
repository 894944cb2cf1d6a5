import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { readJson } from '../../src/protocol/frames.ts';
import { AgentMessage, SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { findUpdate } from '../../src/store/updates.ts';
import { type EngineHub, startEngineHub } from './engine-hub.ts';
import { AGENT_SAMPLES, type Draw, drawOf, message } from './fuzz-protocol.ts';
import { createWatch, type FuzzResult } from './fuzz-watch.ts';
import { addressOf, connectRaw, deviceKey, inventory, type RawAgent } from './raw-agent.ts';
import { until } from './until.ts';

/** Devices that talk at once. */
const DEVICES = 12;
/** Share of what is said before anybody has proven anything. */
const STRANGERS = 0.1;

type Key = ReturnType<typeof deviceKey>;

/** What the frame of a message says that is not made by `createSealer`: the test has the format from the page. */
function frameOf(agent: RawAgent, key: Key, seq: number, body: string, direction = 'agent'): string {
  const text = ['fettle.v1 frame', direction, agent.nonces.hub, agent.nonces.agent, String(seq), body].join('\n');
  return JSON.stringify({ type: 'signed', seq, body, signature: key.sign(text) });
}

/** Anything but the next frame, or the next one in pieces. Answers how many numbers it used up. */
function mischief(draw: Draw, agent: RawAgent, key: Key, seq: number, body: string): number {
  const frame = frameOf(agent, key, seq, body);
  const { socket } = agent;
  const how = Math.floor(draw() * 9);
  if (how === 0) socket.send(body);
  else if (how === 1) socket.send(frameOf(agent, key, seq + 1 + Math.floor(draw() * 3), body));
  else if (how === 2) socket.send(frame.replace(/"signature":"..../, '"signature":"AAAA'));
  else if (how === 3) socket.send(Buffer.from(frame), { binary: true });
  else if (how === 4) socket.send(frame.slice(0, Math.floor(draw() * frame.length)));
  else if (how === 5) socket.send(frameOf(agent, key, seq, body, 'hub'));
  else if (how === 6) socket.send(message(draw, [JSON.parse(frame)]));
  else if (how === 7) socket.send('x'.repeat(300_000));
  else {
    const middle = Math.floor(frame.length * draw());
    socket.send(frame.slice(0, middle), { fin: false });
    socket.send(frame.slice(middle), { fin: true });
    return 1;
  }
  return 0;
}

/** What does not parse ends the connection: most of it is left out, so that more comes further. */
function said(draw: Draw): string {
  for (;;) {
    const text = message(draw, AGENT_SAMPLES);
    const read = readJson(text);
    if ((read && AgentMessage.safeParse(read.value).success) || draw() < 0.15) return text;
  }
}

/** Says one thing after the other, each worked on before the next; `left` counts down with each. */
async function device(hub: EngineHub, id: string, draw: Draw, left: { count: number }, closes: Map<string, number>) {
  const key = deviceKey();
  hub.devices.set(id, { publicKey: key.publicKey, state: 'active' });
  let update = 'u-1';
  while (left.count > 0) {
    const agent = await connectRaw(hub, id, key);
    let seq = 0;
    let ended: number | undefined;
    void agent.closed.then(({ code }) => {
      ended = code;
    });
    agent.raw(frameOf(agent, key, ++seq, JSON.stringify(inventory())));
    if (draw() < 0.2) update = await hub.ask(id).catch(() => update);
    while (left.count > 0 && ended === undefined) {
      left.count -= 1;
      const order = agent.heard.findLast((m) => m.type === 'order')?.order.id ?? 'o-1';
      const body = said(draw).replaceAll('u-1"', `${update}"`).replaceAll('o-1"', `${order}"`);
      agent.heard.length = 0;
      if (draw() < 0.08) seq += mischief(draw, agent, key, seq + 1, body);
      else agent.raw(frameOf(agent, key, ++seq, body));
      // A type that it does not know is answered in its turn: so everything before was worked on.
      const probe = `probe-${left.count}`;
      agent.raw(frameOf(agent, key, ++seq, JSON.stringify({ type: probe })));
      await answered(agent, probe);
    }
    closes.set(String(ended), (closes.get(String(ended)) ?? 0) + 1);
    agent.socket.terminate();
    await agent.closed;
  }
}

function answered(agent: RawAgent, probe: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the hub did not answer ${probe}`)), 60_000);
    const end = () => {
      clearTimeout(late);
      agent.socket.off('message', look).off('close', end);
      resolve();
    };
    const look = () => agent.heard.some((m) => m.type === 'unknown' && m.seen === probe) && end();
    agent.socket.on('message', look).on('close', end);
    if (agent.socket.readyState === WebSocket.CLOSED) end();
  });
}

/** One thing said before the handshake, on a connection of its own. */
function stranger(hub: EngineHub, draw: Draw, closes: Map<string, number>): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(addressOf(hub), SUBPROTOCOL);
    socket.on('error', () => undefined);
    socket.on('open', () => {
      const how = draw();
      if (how < 0.1) socket.send(Buffer.from(message(draw, AGENT_SAMPLES)), { binary: true });
      else if (how < 0.5) socket.send(message(draw, AGENT_SAMPLES.slice(-1)));
      else socket.send(message(draw, AGENT_SAMPLES));
      // Types that are not known are answered a few times only.
      for (let n = 0; n < 5; n += 1) socket.send('{"type":"later"}');
    });
    socket.on('close', (code) => {
      const name = `before the handshake ${code}`;
      closes.set(name, (closes.get(name) ?? 0) + 1);
      resolve();
    });
  });
}

/** `count` messages against a real gateway, engine and store. Throws where the hub does not go on as before. */
export async function fuzzHub(seed: number, count: number): Promise<FuzzResult> {
  const home = mkdtempSync(join(tmpdir(), 'fettle-fuzz-'));
  const hub = await startEngineHub(home);
  const closes = new Map<string, number>();
  const watch = createWatch();
  const warm = Math.min(2_000, Math.floor(count / 4));
  const round = async (of: number, from: number) => {
    const left = { count: Math.floor(of * (1 - STRANGERS)) };
    const strangers = { count: of - left.count };
    const draws = Array.from({ length: DEVICES + 1 }, (_, n) => drawOf(seed * 1_000 + from + n));
    await Promise.all([
      ...Array.from({ length: DEVICES }, (_, n) => device(hub, `d-${n}`, draws[n] as Draw, left, closes)),
      (async () => {
        while (strangers.count-- > 0) await stranger(hub, draws[DEVICES] as Draw, closes);
      })(),
    ]);
  };
  try {
    await round(warm, 0);
    watch.start();
    await round(count - warm, 500);
    // It goes on as before: a device that behaves is ordered something, and what it says of it counts.
    const key = deviceKey();
    const agent = await connectRaw(hub, 'd-good', key);
    agent.say(inventory());
    const id = await hub.ask('d-good');
    const order = await until('an order', () => {
      const found = agent.heard.find((said) => said.type === 'order' && said.order.update === id);
      return found?.type === 'order' ? found.order.id : undefined;
    });
    agent.say({ type: 'order-ack', order, update: id, accepted: true });
    await until('the order to be taken', async () => (await findUpdate(hub.store.db, id))?.state === 'received');
    await agent.close();
    return { ...watch.end(), messages: count, closes: Object.fromEntries([...closes].sort()) };
  } finally {
    watch.stop();
    await hub.stop();
    rmSync(home, { recursive: true, force: true });
  }
}
