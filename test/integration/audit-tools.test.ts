import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTools, type RunTool, type Tools } from '../../agent/tools/index.ts';
import { parseDevice } from '../../config/load-device.ts';
import { verifyAudit } from '../../src/cli/audit/verify.ts';
import { CHAIN_START, chained } from '../../src/protocol/audit-chain.ts';
import { HubMessage, type ToolResult } from '../../src/protocol/messages.ts';
import { createToolDesk, type ToolDesk } from '../../src/rollout/tools.ts';
import { addAudit } from '../../src/store/audit.ts';
import { rowText } from '../../src/store/audit-chain.ts';
import { type AuditDevice, makeAuditHub } from '../support/audit-world.ts';
import { toolLog } from '../support/tool-log.ts';
import { until } from '../support/until.ts';

/** `fettle audit verify` of tools and policies: a real desk and real tools, and what each attack on a log shows. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const FILE = 'tools:\n  say: {run: [/bin/echo, "{what}"], args: {what: {type: word}}}\n';
let hub: Awaited<ReturnType<typeof makeAuditHub>>;
let robot: AuditDevice;
let tools: Tools;
let desk: ToolDesk;
/** What becomes of a request on its way. */
let way: 'open' | 'closed' | 'swallows';
let events = 0;
const taken: RunTool[] = [];

beforeEach(async () => {
  hub = await makeAuditHub();
  robot = await hub.device('robot');
  way = 'open';
  taken.length = 0;
  const peer = { device: robot.id, name: 'robot', platform: 'linux-x64', version: '1.0.0' };
  tools = createTools({
    ...{ tools: parseDevice(FILE, '/x/agent.yaml').tools, device: robot.id, clock, log: () => undefined },
    folder: join(hub.layout.home, 'ledger'),
    audit: toolLog(robot.file, robot.id),
    basicEnvironment: {},
    redact: (text) => text,
    send: (result: ToolResult) => void desk.answer(peer, result),
  });
  desk = createToolDesk({
    ...{ db: hub.store.db, clock, log: () => undefined, waitMs: 3_000, waitYoungMs: 50 },
    outbox: { put: async () => false, wake: () => undefined } as never,
    gateway: () => ({
      send(_, message) {
        const heard = HubMessage.parse(JSON.parse(JSON.stringify(message)));
        if (heard.type !== 'run-tool') return true;
        if (way === 'open') {
          taken.push(heard);
          tools.take(heard, Date.now(), { text: '', frame: '', key: undefined, log: heard.log });
        }
        return way !== 'closed';
      },
    }),
  });
  await run('one');
});
afterEach(async () => {
  await tools.stop();
  await hub.close();
});

async function run(...args: string[]): Promise<string> {
  events += 1;
  const asker = {
    who: { id: 'telegram:1', name: 'Ann' },
    route: { platform: 'telegram', chat: 'c' },
    eventId: `e-${events}`,
  };
  const order = { device: robot, tool: 'say', args, asker, language: 'en', role: 'operator' } as const;
  try {
    const ended = await desk.run(order, AbortSignal.timeout(10_000));
    return ended === 'later' ? ended : ended.output;
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

/** As the device's agent says next, in whichever way it came to be there. */
async function verify(): Promise<{ exit: number; wrong: string[]; notes: string[]; lines: string[] }> {
  robot.restart();
  await robot.tell();
  const lines: string[] = [];
  const of = { layout: hub.layout, files: [], since: undefined };
  const exit = await verifyAudit({ ...of, json: true, print: (line) => lines.push(line) });
  await verifyAudit({ ...of, json: false, print: (line) => lines.push(line) });
  const { findings } = JSON.parse(lines[0] ?? '') as { findings: { level: string; log: string; code: string }[] };
  const named = (level: string) =>
    findings.filter((one) => one.level === level).map(({ log, code }) => `${log} ${code}`);
  return { exit, wrong: named('wrong'), notes: named('note'), lines };
}

/** Changes the hub's log and makes every hash anew. */
function rewrite(sql: string): void {
  const db = new BetterSqlite3(hub.layout.hub.db);
  const triggers = db.prepare("select name from sqlite_master where type = 'trigger'").all() as { name: string }[];
  for (const { name } of triggers) db.exec(`drop trigger ${name}`);
  db.exec(`${sql}; delete from audit_chain`);
  let hash = CHAIN_START;
  for (const row of db.prepare('select * from audit order by seq').all() as { seq: number }[]) {
    hash = chained(hash, rowText(row as never));
    db.prepare('insert into audit_chain (seq, hash) values (?, ?)').run(row.seq, hash);
  }
  db.close();
}

test('what ran, what was refused, and what did not get there: nothing is wrong', async () => {
  expect(await run('../x')).toBe('tool_refused');
  way = 'closed';
  expect(await run('away')).toBe('device_offline');
  way = 'open';
  expect(await run('two')).toBe('two\n');
  const { exit, wrong, notes, lines } = await verify();
  expect({ exit, wrong, notes }).toEqual({ exit: 0, wrong: [], notes: [] });
  expect(lines.join('\n')).toContain('; 4 tools asked for, 3 received, 3 agree');
});

test("a tool that somebody else had run, with the hub's key", async () => {
  const [asked] = taken;
  tools.take({ ...asked, request: 'r-forged', log: undefined } as RunTool, Date.now());
  await until('its end', () => tools.results().every(({ state }) => state === 'ended'));
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot unknown_tool'] });
});

test("the hub's log says other arguments than the device was asked with", async () => {
  await robot.tell();
  rewrite(`update audit set data = replace(data, '"digest":"', '"digest":"0') where action = 'tool'`);
  expect((await verify()).wrong).toEqual(expect.arrayContaining(['robot other_tool']));
});

test("the hub's log says another end than the device", async () => {
  rewrite("update audit set result = 'ended 1' where action = 'tool-end'");
  expect((await verify()).wrong).toContain('robot result_differs');
});

test('a request that never came to the device, which has seen the log go on', async () => {
  way = 'swallows';
  const lost = run('lost');
  await until('it to be written down', async () => {
    const rows = await hub.store.db.selectFrom('audit').select('after').where('action', '=', 'tool').execute();
    return rows.some(({ after }) => after === 'say lost');
  });
  way = 'open';
  await run('two');
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot tool_missing'] });
  await tools.stop();
  expect(await lost).toBe('device_offline');
  // It was given up: that explains it.
  expect(await verify()).toMatchObject({ exit: 0, wrong: [] });
});

test('a policy that was offered, and one that this hub did not offer', async () => {
  const log = toolLog(robot.file, robot.id);
  const take = (digest: string) => log.append({ what: 'policy', number: 3, digest, verdict: 'taken' });
  await hub.store.db.transaction().execute((trx) =>
    addAudit(trx, {
      ...{ at: 1, by: 'fettle', byName: 'Fettle', action: 'policy-offer', target: robot.id, after: '3' },
      data: { digest: 'a', device: robot.id },
    }),
  );
  take('a');
  expect(await verify()).toMatchObject({ exit: 0, wrong: [] });
  take('b');
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot unknown_policy'] });
});

test('what was before the device was joined to this hub is said, and not compared', async () => {
  const log = toolLog(robot.file, robot.id);
  const join_ = (device: string, key: string) => log.append({ what: 'joined', device, key });
  robot.restart();
  robot.forged('web');
  join_('d-other', 'k1');
  log.append({ what: 'tool', request: 'r-elsewhere', tool: 'x', digest: '', verdict: 'taken' });
  expect((await verify()).wrong).toEqual(expect.arrayContaining(['robot unknown_tool']));
  join_(robot.id, 'k2');
  expect(await verify()).toMatchObject({ exit: 0, wrong: [], notes: ['robot before_joining'] });
  // Joined once more to the same, nothing more is left out.
  robot.restart();
  robot.forged('api');
  join_(robot.id, 'k2');
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot unknown_order'] });
});
