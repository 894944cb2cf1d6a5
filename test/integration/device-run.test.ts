import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTools, type Tools } from '../../agent/tools/index.ts';
import { toolReports } from '../../agent/tools/report.ts';
import { parseDevice } from '../../config/load-device.ts';
import { MESSAGES } from '../../src/chat/messages/index.ts';
import { createOutbox } from '../../src/chat/outbox.ts';
import { COMMANDS, createCommandTable } from '../../src/commands/index.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { HubMessage, ToolResult } from '../../src/protocol/messages.ts';
import { createToolDesk, type ToolDesk } from '../../src/rollout/tools.ts';
import { listAudit } from '../../src/store/audit.ts';
import { connectDevice } from '../../src/store/devices.ts';
import { openStore } from '../../src/store/open.ts';
import { createFakeChat } from '../support/fake-chat.ts';
import { createWorld, type World } from '../support/services.ts';
import { entriesOf, toolLog } from '../support/tool-log.ts';
import { until } from '../support/until.ts';

/** `/device run` with a real store and real tools; between them only the messages, as JSON. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const FILE = `
tools:
  hello: {run: [/bin/echo, hello, '{who}'], args: {who: {type: word}}}
  slow: {run: [/bin/sh, -c, 'echo run >> runs; while [ ! -e go ]; do sleep 0.05; done; echo woke'], cwd: .}
  bad: {run: [/bin/sh, -c, 'exit 4']}
  reset: {run: [/bin/true], role: admin}
`;

let folder: string;
let store: Awaited<ReturnType<typeof openStore>>;
let world: World;
let desk: ToolDesk;
let agents: Map<string, Tools>;
let online: Set<string>;
let chat: ReturnType<typeof createFakeChat>;
let outbox: ReturnType<typeof createOutbox>;
let sent: string[];
let waitYoungMs: number;

const auditOf = (id: string) => join(folder, `${id}-audit.log`);
const peer = (id: string) => ({ device: id, name: `robot-${id.slice(2)}`, platform: 'linux-x64', version: '1.0.0' });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-device-run-'));
  store = await openStore(join(folder, 'hub.db'));
  world = createWorld();
  agents = new Map();
  online = new Set();
  sent = [];
  waitYoungMs = 100;
  chat = createFakeChat('fake');
  const log = () => undefined;
  outbox = createOutbox({ db: store.db, clock, adapters: [chat], redact: createRedactor(), random: () => 0, log });
  outbox.start();
  newHub();
});
afterEach(async () => {
  for (const tools of agents.values()) await tools.stop();
  world.stop();
  await outbox.stop();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

function sentOf(heard: Extract<HubMessage, { type: 'run-tool' }>) {
  return { text: '', frame: '', key: undefined, log: heard.log };
}

/** Of a hub that begins anew, nothing but the store is left. */
function newHub(): void {
  desk = createToolDesk({
    ...{ db: store.db, clock, outbox, log: () => undefined, waitMs: 1_500, waitYoungMs },
    gateway: () => ({
      send(device, message) {
        const tools = agents.get(device);
        if (!tools || !online.has(device)) return false;
        const heard = HubMessage.parse(JSON.parse(JSON.stringify(message)));
        sent.push(heard.type);
        if (heard.type === 'run-tool') setImmediate(() => tools.take(heard, Date.now(), sentOf(heard)));
        if (heard.type === 'tool-ack') tools.acknowledge(heard.request);
        return true;
      },
    }),
  });
}

/** @param tells says what it has, as an agent does soon after it is welcomed */
async function connect(id: string, tells = true): Promise<void> {
  await connectDevice(store.db, { ...peer(id), id }, Date.now());
  online.add(id);
  const file = parseDevice(FILE, join(folder, 'agent.yaml'));
  const tools =
    agents.get(id) ??
    createTools({
      ...{ tools: file.tools, device: id, folder: join(folder, id), clock, log: () => undefined },
      basicEnvironment: { PATH: process.env.PATH ?? '' },
      audit: toolLog(auditOf(id), id),
      redact: (text) => text,
      // What is said while nobody hears is lost, as on a connection.
      send: (result) => {
        if (online.has(id)) void desk.answer(peer(id), ToolResult.parse(JSON.parse(JSON.stringify(result))));
      },
    });
  agents.set(id, tools);
  for (const result of tools.results()) await desk.answer(peer(id), result);
  desk.connected(id);
  if (tells) await desk.told(peer(id), toolReports(file.tools));
}

async function say(text: string, eventId: string = randomUUID(), role: 'operator' | 'admin' = 'operator') {
  const services = { ...world.services, tools: desk };
  const table = createCommandTable({ commands: COMMANDS, services });
  const meaning = await table.interpret(text);
  if (!meaning.ok) throw meaning.error;
  try {
    const result = await meaning.run({
      ...{ role, eventId, direct: true, language: 'en', words: MESSAGES.en, now: Date.now() },
      who: { id: 'fake:ada', name: 'Ada' },
      route: { platform: 'fake', chat: 'c', message: 'm' },
      signal: AbortSignal.timeout(20_000),
    });
    if (!('reply' in result)) throw new Error('deferred');
    const { title, text: lines = [], code = '' } = result.reply;
    return [title, ...lines, code].join('|');
  } catch (error) {
    const { code, data } = error as FettleError;
    return `${code} ${String(data.what ?? data.fits ?? data.device ?? data.devices ?? '')}`.trim();
  }
}

const runs = () => readFileSync(join(folder, 'runs'), 'utf8').split('\n').length - 1;
const later = () => chat.shown.map(({ message: { reply } }) => `${reply.title}|${reply.code}`);
const go = () => writeFileSync(join(folder, 'go'), '');

test('runs what a device names, where only one has it or it is said which; audited once', async () => {
  await connect('d-1');
  expect(await say('/device run hello world')).toMatch(
    /^hello on robot-1: done\|It ended with status 0 .*\|hello world/,
  );
  expect(await say('/device run bad')).toMatch(/^bad on robot-1: failed\|It ended with status 4/);
  expect(await say('/device run hello "-x"')).toBe('tool_refused who -x');
  expect(await say('/device run reboot')).toBe('capability_denied the tool reboot');
  expect(await say('/device run hallo')).toBe('capability_denied the tool hallo (hello?)');
  // Said which device, it is asked itself.
  expect(await say('/device run reboot on robot-1')).toBe('capability_denied the tool reboot');
  expect(await say('/device run reset')).toBe('not_allowed');
  expect(await say('/device run reset', undefined, 'admin')).toMatch(/^reset on robot-1: done/);
  await connect('d-2');
  expect(await say('/device run hello world')).toBe('bad_arguments on robot-1,on robot-2');
  expect(await say('/device run hello world on robot-2')).toMatch(/^hello on robot-2: done/);
  expect(await say('/device run hello world on robot-3')).toBe('bad_arguments device');
  online.delete('d-2');
  expect(await say('/device run hello world on robot-2')).toBe('device_offline robot-2');
  const audit = await listAudit(store.db, { action: 'tool' });
  expect(audit.map(({ by, target, after }) => `${by} ${target} ${after}`).reverse()).toEqual([
    'fake:ada robot-1 hello world',
    'fake:ada robot-1 bad',
    'fake:ada robot-1 hello -x',
    'fake:ada robot-1 reboot',
    'fake:ada robot-1 reset',
    'fake:ada robot-2 hello world',
    'fake:ada robot-2 hello world',
  ]);
  // How each ended, by whose word; what never left is the hub's own word.
  const ends = await listAudit(store.db, { action: 'tool-end' });
  expect(ends.map(({ by, after, result }) => `${by} ${after}: ${result}`).reverse()).toEqual([
    'device:d-1 hello: ended 0',
    'device:d-1 bad: ended 4',
    'device:d-1 hello: tool_refused',
    'device:d-1 reboot: capability_denied',
    'device:d-1 reset: ended 0',
    'device:d-2 hello: ended 0',
    'fettle hello: device_offline',
  ]);
  // Both sides name a request by one digest, and the device wrote down where the hub's log stood.
  const [asked] = entriesOf(auditOf('d-1')).filter(({ what }) => what === 'tool');
  expect(asked?.digest).toBe(audit.at(-1)?.data?.digest);
  expect(asked?.hub).toMatchObject({ seq: 1 });
});

test('a hub that begins anew knows what devices have, and waits a while for one that dials anew', async () => {
  await connect('d-1');
  online.delete('d-1');
  newHub();
  // The device is away for longer: that is said, and nothing was run.
  expect(await say('/device run hello world')).toBe('device_offline robot-1');
  expect(await say('/device run')).toContain('Tools of the devices');
  expect(await say('/device run hallo')).toBe('capability_denied the tool hallo (hello?)');
  waitYoungMs = 15_000;
  newHub();
  const asked = say('/device run hello world');
  const isOpen = Promise.race([asked.then(() => false), new Promise((resolve) => setTimeout(resolve, 50, true))]);
  expect(await isOpen).toBe(true);
  await connect('d-1', false);
  expect(await asked).toMatch(/^hello on robot-1: done/);
  expect(entriesOf(auditOf('d-1')).filter(({ what }) => what === 'tool')).toHaveLength(1);
});

test('where a device has not said yet what it has, that is said; named, it decides itself, by the role as well', async () => {
  await connect('d-1', false);
  expect(await say('/device run hello world')).toBe('tools_unknown robot-1');
  expect(await say('/device run reset on robot-1')).toBe('not_allowed');
  expect(await say('/device run reset on robot-1', undefined, 'admin')).toMatch(/^reset on robot-1: done/);
  expect(await say('/device run hello world on robot-1')).toMatch(/^hello on robot-1: done/);
  expect(await say('/device run reboot on robot-1')).toBe('capability_denied the tool reboot');
});

test('a hub that begins anew asks again, before the device says what it has, and nothing is run twice', async () => {
  await connect('d-1');
  const first = say('/device run slow', 'e-2');
  await until('it to run', () => sent.includes('run-tool') && runs() === 1);
  online.delete('d-1');
  newHub();
  const second = say('/device run slow', 'e-2');
  await connect('d-1');
  go();
  expect(await second).toMatch(/^slow on robot-1: done\|It ended with status 0 .*\|woke/);
  expect(runs()).toBe(1);
  expect(await first).toBe('slow runs on robot-1|It takes longer. How it ends is told here.|');
  expect(await listAudit(store.db, { action: 'tool' })).toHaveLength(1);
});

test('what takes longer than a command is told when it ends, once, also by a hub that began anew', async () => {
  await connect('d-1');
  expect(await say('/device run slow', 'e-3')).toBe('slow runs on robot-1|It takes longer. How it ends is told here.|');
  online.delete('d-1');
  newHub();
  go();
  await until('its end', () => agents.get('d-1')?.results()[0]?.state === 'ended');
  await connect('d-1');
  await until('the message', () => later().length === 1);
  await connect('d-1');
  expect(later()).toEqual(['slow on robot-1: done|woke']);
  expect(agents.get('d-1')?.results()).toEqual([]);
  expect(runs()).toBe(1);
});

test('only the device that was asked may answer', async () => {
  await connect('d-1');
  await connect('d-2');
  const asked = say('/device run slow on robot-1', 'e-4');
  await until('it to run', () => runs() === 1);
  const { request = '' } = agents.get('d-1')?.results()[0] ?? {};
  await desk.answer(peer('d-2'), { request, tool: 'slow', state: 'ended', code: 0, output: 'forged', ms: 1 });
  go();
  expect(await asked).toMatch(/\|woke$/);
});
