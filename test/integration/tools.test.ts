import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTools, type RunTool, type Tools } from '../../agent/tools/index.ts';
import { createToolShed } from '../../agent/tools/shed.ts';
import { parseDevice } from '../../config/load-device.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { HubMessage, type ToolResult } from '../../src/protocol/messages.ts';
import { entriesOf, toolLog } from '../support/tool-log.ts';
import { until } from '../support/until.ts';

/** Tools of a device's file, run as real processes by what a hub sends. */

let folder: string;
let results: ToolResult[];
let tools: Tools;
const NOW = 1_700_000_000_000;
let hubNow: number;

const FILE = `
tools:
  say: {run: [/bin/echo, fixed, '{what}', '{more}'], args: {what: {type: word}, more: {type: word, optional: true}}}
  count: {run: [/bin/sh, -c, 'echo "$1"', sh, '{n}'], args: {n: {type: number, max: 10}}}
  odd: {run: [/bin/echo, '{n}'], args: {n: {type: number, min: -5, max: 5, decimals: true}}}
  pick: {run: [/bin/echo, '{one}'], args: {one: {type: choice, values: [up, down]}}}
  code: {run: [/bin/echo, '{c}'], args: {c: {type: word, pattern: '[A-Z]{3}'}}}
  show: {run: [/bin/cat, '{file}'], args: {file: {type: path, under: [logs]}}}
  slow: {run: [/bin/sh, -c, 'sleep 60 & echo $! > child; wait'], cwd: ., timeout: 1s}
  long: {run: [/bin/sh, -c, 'echo run >> runs; sleep 60'], cwd: .}
  loud: {run: [/bin/sh, -c, 'yes begin | head -n 500000; echo the-end'], maxOutput: 500B}
  beep: {run: [/bin/sh, -c, "head -c 90000 /dev/zero | tr '\\\\0' '\\\\1'"], maxOutput: 90kB}
  both: {run: [/bin/sh, -c, 'echo out; echo err >&2; echo token=very-secret-4711; exit 3']}
  env: {run: [/usr/bin/env]}
  once: {run: [/bin/sh, -c, 'echo run >> runs'], cwd: .}
  none: {run: [/no/such/program]}
  reset: {run: [/bin/sh, -c, 'echo run >> runs'], cwd: ., role: admin}
  kill: {run: [/bin/sh, -c, 'kill -9 $$']}
`;

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const make = () =>
  createTools({
    tools: parseDevice(FILE, join(folder, 'agent.yaml')).tools,
    device: 'd-1',
    folder: join(folder, 'ledger'),
    basicEnvironment: { PATH: '/usr/bin:/bin', HOME: folder, LANG: 'C', XDG_RUNTIME_DIR: '/run/x' },
    clock,
    audit: toolLog(join(folder, 'audit.log'), 'd-1'),
    redact: createRedactor({ secrets: ['very-secret-4711'], homes: [folder] }),
    send: (result) => results.push(result),
    log: () => undefined,
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-tools-'));
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs', 'a.log'), 'line of a\n');
  writeFileSync(join(folder, 'outside'), 'not for you\n');
  results = [];
  hubNow = NOW;
  tools = make();
});
afterEach(async () => {
  await tools.stop();
  rmSync(folder, { recursive: true, force: true });
});

let count = 0;
function order(tool: string, args: readonly string[] = [], more: object = {}): RunTool {
  count += 1;
  const asked = {
    type: 'run-tool',
    request: `t-${count}`,
    device: 'd-1',
    tool,
    args,
    notBefore: NOW,
    expiresAt: NOW + 300_000,
  };
  return HubMessage.parse({ ...asked, ...more }) as RunTool;
}

async function run(tool: string, args: readonly string[] = [], more: object = {}): Promise<ToolResult> {
  const asked = order(tool, args, more);
  tools.take(asked, hubNow);
  return until(`the end of ${tool}`, () => results.find((r) => r.request === asked.request && r.state !== 'running'));
}

const said = async (tool: string, ...args: string[]) => {
  const { state, output, problem } = await run(tool, args);
  return state === 'ended' ? output : `${problem?.code}: ${problem?.data.what}`;
};
const runs = () =>
  existsSync(join(folder, 'runs')) ? readFileSync(join(folder, 'runs'), 'utf8').split('\n').length - 1 : 0;

describe('arguments', () => {
  test.each<[string[], string]>([
    [['say', 'hello'], 'fixed hello\n'],
    [['say', 'hello', 'world'], 'fixed hello world\n'],
    [['count', '7'], '7\n'],
    [['odd', '-2.5'], '-2.5\n'],
    [['pick', 'up'], 'up\n'],
    [['code', 'ABC'], 'ABC\n'],
    [['show', 'a.log'], 'line of a\n'],
    // What a shell would make something of is one argument, or none.
    [['say', '$(reboot)'], 'tool_refused: what $(reboot)'],
    [['say', ';reboot'], 'tool_refused: what ;reboot'],
    [['say', '--help'], 'tool_refused: what --help'],
    [['say', 'a\nb'], 'tool_refused: what a\nb'],
    [['say', ''], 'tool_refused: what '],
    [['say', 'a', 'b', 'c'], 'tool_refused: c'],
    [['say'], 'tool_refused: what'],
    [['count', '11'], 'tool_refused: n 11'],
    [['count', '-1'], 'tool_refused: n -1'],
    [['count', '1.5'], 'tool_refused: n 1.5'],
    [['count', '1e1'], 'tool_refused: n 1e1'],
    [['count', '0x9'], 'tool_refused: n 0x9'],
    [['pick', 'UP'], 'tool_refused: one UP'],
    [['pick', 'constructor'], 'tool_refused: one constructor'],
    [['code', 'ABCD'], 'tool_refused: c ABCD'],
    [['code', 'ABC\n'], 'tool_refused: c ABC\n'],
    [['show', '../outside'], 'tool_refused: file ../outside'],
    [['show', 'x/../../outside'], 'tool_refused: file x/../../outside'],
    [['show', '/etc/passwd'], 'tool_refused: file /etc/passwd'],
    [['show', 'link'], 'tool_refused: file link'],
    [['show', 'folder/passwd'], 'tool_refused: file folder/passwd'],
    [['show', 'missing'], 'tool_refused: file missing'],
    [['env', 'x'], 'tool_refused: x'],
    [['reboot'], 'capability_denied: the tool reboot'],
    [['constructor'], 'capability_denied: the tool constructor'],
    [['/bin/sh'], 'capability_denied: the tool /bin/sh'],
    [['none'], 'start_failed: undefined'],
  ])('%j', async ([tool = '', ...args], expected) => {
    symlinkSync(join(folder, 'outside'), join(folder, 'logs', 'link'));
    symlinkSync('/etc', join(folder, 'logs', 'folder'));
    expect(await said(tool, ...args)).toBe(expected);
    expect(existsSync(join(folder, 'pwned'))).toBe(false);
  });

  test('an absolute path within is taken, and a link within leads to what it is', async () => {
    symlinkSync(join(folder, 'logs', 'a.log'), join(folder, 'logs', 'latest'));
    expect(await said('show', join(folder, 'logs', 'a.log'))).toBe('line of a\n');
    expect(await said('show', 'latest')).toBe('line of a\n');
  });
});

describe('a run', () => {
  test('tells status and output, redacted, of both streams', async () => {
    const result = await run('both');
    expect(result).toMatchObject({ state: 'ended', code: 3 });
    expect(result.output).toContain('out\n');
    expect(result.output).toContain('err\n');
    expect(result.output).not.toContain('very-secret');
    expect(await run('kill')).toMatchObject({ state: 'ended', code: null });
  });

  test('has a minimal environment', async () => {
    const { output } = await run('env');
    const names = output.split('\n').flatMap((line) => (line.includes('=') ? [line.split('=')[0]] : []));
    expect(names.sort()).toEqual(['FETTLE_TOOL', 'HOME', 'LANG', 'PATH']);
  });

  test('that takes too long is killed with its group', async () => {
    expect(await run('slow')).toMatchObject({ state: 'ended', code: null, timedOut: true });
    const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
    await until(
      'the child to be gone',
      () => !existsSync(`/proc/${child}`) || /State:\s+Z/.test(readFileSync(`/proc/${child}/status`, 'utf8')),
    );
  });

  test('says the end of too much', async () => {
    const { output, cut } = await run('loud');
    expect({ cut, end: output.slice(-8), bytes: output.length }).toEqual({ cut: true, end: 'the-end\n', bytes: 500 });
  });
});

test('of control characters no more is told than a message can carry', async () => {
  const { output, cut } = await run('beep');
  expect(output.length).toBeGreaterThan(10_000);
  expect(output.replaceAll('\u0001', '')).toBe('');
  expect(cut).toBe(true);
  expect(JSON.stringify(JSON.stringify({ output })).length).toBeLessThan(200_000);
});

describe('an order', () => {
  test('for another device, too late, for ever, or for something else is denied, and nothing is run', async () => {
    const code = async (more: object) => (await run('once', [], more)).problem?.code;
    expect(await code({ device: 'd-2' })).toBe('capability_denied');
    expect(await code({ expiresAt: NOW * 2 })).toBe('order_expired');
    expect(await code({ capability: { app: 'agent', tools: ['say'], paths: [] } })).toBe('capability_denied');
    hubNow = NOW + 300_001;
    expect(await code({})).toBe('order_expired');
    hubNow = NOW - 120_000;
    expect(await code({})).toBe('order_expired');
    expect(runs()).toBe(0);
  });

  test('is carried out once, however often it comes, also to the next agent', async () => {
    const asked = order('once');
    tools.take(asked, NOW);
    tools.take(asked, NOW);
    await until('its end', () => results.some((r) => r.state === 'ended'));
    tools.take(asked, NOW);
    expect(results.filter((r) => r.state === 'ended')).toHaveLength(2);
    tools = make();
    // The hub was away: it is told at the connect.
    expect(tools.results()).toMatchObject([{ request: asked.request, state: 'ended', code: 0 }]);
    tools.acknowledge(asked.request);
    expect(tools.results()).toEqual([]);
    tools = make();
    expect(tools.results()).toEqual([]);
    tools.take({ ...asked, expiresAt: asked.expiresAt + 1 }, NOW);
    expect(results.at(-1)).toMatchObject({ state: 'ended', code: 0 });
    expect(runs()).toBe(1);
  });

  test('that was under way when the agent ended is not begun again, and its end is said to be unknown', async () => {
    const asked = order('long');
    tools.take(asked, NOW);
    await until('it to run', () => runs() === 1);
    expect(tools.results()).toMatchObject([{ state: 'running' }]);
    const before = tools;
    // As a killed agent leaves it.
    tools = make();
    expect(tools.results()).toMatchObject([{ state: 'unknown', problem: { code: 'tool_end_unknown' } }]);
    tools.take(asked, NOW);
    expect(results.at(-1)).toMatchObject({ state: 'unknown' });
    await before.stop();
    expect(runs()).toBe(1);
  });

  test('of before is offered at the first connect of the next agent, also where the file names no tool any more', async () => {
    const shed = (named: object) =>
      createToolShed({
        ...{ tools: named as never, device: 'd-1', folder: join(folder, 'ledger'), basicEnvironment: {}, clock },
        ...{ audit: toolLog(join(folder, 'audit.log'), 'd-1'), redact: (text: string) => text },
        ...{ send: () => undefined, log: () => undefined },
      });
    const before = shed({});
    await before.start();
    expect(before.results()).toEqual([]);
    const asked = order('once');
    tools.take(asked, NOW);
    await until('its end', () => results.some((r) => r.state === 'ended'));
    const next = shed({});
    expect(next.results()).toEqual([]);
    await next.start();
    expect(next.results()).toMatchObject([{ request: asked.request, state: 'ended', code: 0 }]);
    await next.stop();
  });

  test('whose note on disk is damaged is not begun again', async () => {
    const asked = order('once');
    mkdirSync(join(folder, 'ledger'), { recursive: true });
    writeFileSync(join(folder, 'ledger', `${asked.request}.json`), '{"v":1,');
    tools = make();
    tools.take(asked, NOW);
    expect(results.at(-1)).toMatchObject({ state: 'unknown' });
    expect(runs()).toBe(0);
  });

  test('is refused where too many run, and may come again', async () => {
    const four = [1, 2, 3, 4].map(() => order('long'));
    for (const one of four) tools.take(one, NOW);
    await until('all of them to run', () => runs() === 4);
    const asked = order('once');
    tools.take(asked, NOW);
    expect(results.at(-1)).toMatchObject({ state: 'refused', problem: { code: 'busy', retryable: true } });
    expect(readdirSync(join(folder, 'ledger'))).toHaveLength(4);
    await tools.stop();
    tools = make();
    tools.take(asked, NOW);
    await until('its end', () => results.some((r) => r.request === asked.request && r.state === 'ended'));
    expect(runs()).toBe(5);
  });
});

describe('the audit log', () => {
  const told = () =>
    entriesOf(join(folder, 'audit.log'))
      .filter(({ what }) => what !== 'begun')
      .map(({ what, request, tool, args, verdict, result }) => [what, request, tool, args ?? '', verdict ?? result]);

  test('has a request before it runs, its end, and what was refused, with the code', async () => {
    const ran = await run('say', ['hello', 'world']);
    const failed = await run('both');
    const denied = await run('reboot', ['now']);
    const refused = await run('count', ['../../11']);
    const gone = await run('none');
    expect(told()).toEqual([
      ['tool', ran.request, 'say', 'hello world', 'taken'],
      ['tool-end', ran.request, 'say', '', 'ended 0'],
      ['tool', failed.request, 'both', '', 'taken'],
      ['tool-end', failed.request, 'both', '', 'ended 3'],
      ['tool', denied.request, 'reboot', 'now', 'capability_denied'],
      ['tool', refused.request, 'count', '../../11', 'tool_refused'],
      ['tool', gone.request, 'none', '', 'taken'],
      ['tool-end', gone.request, 'none', '', 'start_failed'],
    ]);
    expect(readFileSync(join(folder, 'audit.log'), 'utf8')).not.toContain('very-secret');
  });

  test('is written first: what it can not take is not run, and is not remembered as begun', async () => {
    mkdirSync(join(folder, 'audit.log'));
    const asked = order('once');
    tools.take(asked, NOW);
    expect(results.at(-1)).toMatchObject({ state: 'refused', problem: { code: 'io_failed' } });
    expect([runs(), existsSync(join(folder, 'ledger'))]).toEqual([0, false]);
    rmSync(join(folder, 'audit.log'), { recursive: true });
    tools.take(asked, NOW);
    await until('its end', () => results.some((r) => r.state === 'ended'));
    // What was refused meanwhile was noted, and is there now.
    expect(told().map(([what, , , , how]) => [what, how])).toEqual([
      ['tool', 'io_failed'],
      ['tool', 'taken'],
      ['tool-end', 'ended 0'],
    ]);
  });

  test('gets the end that a crash came before, once', async () => {
    await run('once');
    const path = join(folder, 'audit.log');
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    expect(lines.at(-1)).toContain('tool-end');
    // As if it had died between its note of the result and its log.
    writeFileSync(
      path,
      lines
        .slice(0, -1)
        .map((line) => `${line}\n`)
        .join(''),
    );
    for (let i = 0; i < 2; i += 1) tools = make();
    expect(told().map(([what]) => what)).toEqual(['tool', 'tool-end']);
  });

  test('counts what is refused beyond a bound, instead of being filled with it', async () => {
    for (let i = 0; i < 200; i += 1) tools.take(order('reboot'), NOW);
    expect(told()).toHaveLength(120);
    for (const { request } of tools.results()) tools.acknowledge(request);
    await run('once');
    expect(entriesOf(join(folder, 'audit.log')).find(({ what }) => what === 'refused-more')).toMatchObject({
      times: 80,
    });
  });
});

test('a tool for admins is run for an admin alone, whatever the hub knew of the file', async () => {
  expect((await run('reset', [], { role: 'operator' })).problem).toMatchObject({ code: 'not_allowed' });
  expect(runs()).toBe(0);
  expect(await run('reset', [], { role: 'admin' })).toMatchObject({ state: 'ended', code: 0 });
  expect(runs()).toBe(1);
});

describe('the file', () => {
  const problem = (tool: string) => {
    try {
      parseDevice(`tools: {x: ${tool}}`, '/etc/fettle/agent.yaml');
      return 'right';
    } catch (error) {
      return (error as Error).message;
    }
  };
  test.each([
    ['{run: [/bin/true]}', 'right'],
    ['{run: /bin/true}', /expected a list/],
    ['{run: [./tool]}', /expected a program first/],
    ["{run: ['{p}'], args: {p: {type: word}}}", /expected a program first/],
    ["{run: [/bin/x, '--a={p}'], args: {p: {type: word}}}", /argument of its own/],
    ["{run: [/bin/x, '{p}']}", /\{p\} is in `run`/],
    ['{run: [/bin/x], args: {p: {type: word}}}', /expected \{p\} in `run`/],
    ["{run: [/bin/x, '{p}'], args: {p: {type: word, pattern: '('}}}", /regular expression/],
    ["{run: [/bin/x, '{p}'], args: {p: {type: glob}}}", /type: word, pattern/],
    ["{run: [/bin/x, '{a}', '{b}'], args: {a: {type: word, optional: true}, b: {type: word}}}", /a before it is/],
    ['{run: [/bin/x], maxOutput: 1MB}', /up to 96kB/],
    ['{run: [/bin/x], role: viewer}', /operator/],
    ['{run: [/bin/x], timeout: 2h}', /from 1s to 1h/],
  ])('%s', (tool, expected) => {
    expect(problem(tool)).toMatch(expected);
  });
});
