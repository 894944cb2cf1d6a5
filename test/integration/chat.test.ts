import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChat } from '../../src/cli/chat.ts';
import { runSay } from '../../src/cli/say.ts';
import type { Language } from '../../src/domain/reply.ts';
import { createWorld, type World } from '../support/services.ts';
import { type HubCore, startHubCore } from '../support/services-hub.ts';
import { until } from '../support/until.ts';

/** The chat's core whole: real store, real socket, real clients; only what lies behind the commands is not. */

let folder: string;
let world: World;
let hub: HubCore | undefined;

const socket = () => join(folder, 'run', 'hub.sock');
const startHub = async () => {
  hub = await startHubCore({ world, db: join(folder, 'hub.db'), socket: socket() });
};
const stopHub = async () => {
  await hub?.stop();
  hub = undefined;
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-chat-'));
  world = createWorld();
  await startHub();
});
afterEach(async () => {
  world.stop();
  await stopHub();
  rmSync(folder, { recursive: true, force: true });
});

function collect(): { output: Writable; text(): string } {
  let all = '';
  const output = new Writable({
    write(chunk, _, done) {
      all += String(chunk);
      done();
    },
  });
  return { output, text: () => all };
}

function script(lines: readonly string[], options: { language?: Language; reconnectMs?: number } = {}) {
  const input = new PassThrough();
  const { output, text } = collect();
  const { language = 'en', ...rest } = options;
  const code = runChat({ socket: socket(), input, output, language, color: false, connectMs: 500, ...rest });
  for (const line of lines) input.write(`${line}\n`);
  return { code, text, end: () => input.end(), input };
}

async function play(lines: readonly string[], options: { language?: Language } = {}) {
  const chat = script(lines, options);
  chat.end();
  return { code: await chat.code, text: chat.text() };
}

async function say(text: string, options: { json?: boolean; timeoutMs?: number } = {}) {
  const { output, text: all } = collect();
  const code = await runSay({
    socket: socket(),
    text,
    json: options.json ?? false,
    output,
    language: 'en',
    timeoutMs: options.timeoutMs ?? 10_000,
  });
  return { code, text: all() };
}

const count = (text: string, part: string) => text.split(part).length - 1;

describe('a script', () => {
  test('reads as a dialogue; each line waits for the answer of the one before; exit code 0', async () => {
    const { code, text } = await play([
      '/update check web',
      '',
      '# a comment',
      '/update now web',
      '/update status web',
    ]);
    expect(code).toBe(0);
    const order = [
      '> /update check web',
      'web 3.0.1 is available',
      '> /update now web',
      'web 2.0.2 → 3.0.1: [',
      'web is back online, 3.0.1, outage 0.9 s',
      '> /update status web',
      'web 3.0.1: healthy',
    ];
    const places = order.map((part) => text.indexOf(part));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBe(0);
    expect(text).not.toContain('comment');
  });

  test('a failure: rolled back, what failed, a redacted log; exit code 1; later lines are still run', async () => {
    const { code, text } = await play(['/update now hello@1.2.0', '/update status hello']);
    expect(code).toBe(1);
    expect(text).toContain('hello 1.2.0 failed and was rolled back');
    expect(text).toContain('failed its health check');
    expect(text).toContain('cannot read table notes');
    expect(text).toContain('token=[hidden]');
    expect(text).not.toContain('abcdef123456');
    expect(text).toContain('hello 1.0.0: healthy');
  });

  test('bad input is answered, and fails', async () => {
    const { code, text } = await play(['/update nwo web', '/update now wbe', '/update now web@9.9.9']);
    expect(code).toBe(1);
    expect(text).toContain('Did you mean');
    expect(text).toContain('The newest are 3.0.1, 3.0.0, 2.0.2, 2.0.1, 1.9.0.');
  });

  test('being at the latest version already is no failure', async () => {
    world.running.set('web', '3.0.1');
    expect(await play(['/update now web'])).toMatchObject({
      code: 0,
      text: expect.stringContaining('at the latest version'),
    });
  });

  test('in Chinese', async () => {
    const { code, text } = await play(['检查更新 web', '／update　now　web'], { language: 'zh' });
    expect(code).toBe(0);
    expect(text).toContain('web 有新版本 3.0.1');
    expect(text).toContain('web 已恢复在线，版本 3.0.1，中断 0.9 秒');
  });

  test('the source does not answer: which, why, when it is tried again', async () => {
    world.sourceDown = true;
    const { code, text } = await play(['/update check web']);
    expect(code).toBe(1);
    expect(text).toMatch(/The source npm web does not answer \(ECONNREFUSED\)\.\n {2}It is tried again in 1 min\./);
  });

  test('no hub: says so, exit code 1', async () => {
    await stopHub();
    const { code, text } = await play(['/update']);
    expect(code).toBe(1);
    expect(text).toContain('fettle up');
  });

  test('the hub gone for too long: says so, exit code 1', async () => {
    world.stepMs = 10_000;
    const chat = script(['/update now web'], { reconnectMs: 400 });
    await until('progress', () => chat.text().includes('[1/7]'));
    await stopHub();
    expect(await chat.code).toBe(1);
    expect(chat.text()).toContain('away for too long');
  });

  test('a signal ends it', async () => {
    world.stepMs = 10_000;
    const { output } = collect();
    const ending = new AbortController();
    const code = runChat({
      socket: socket(),
      input: new PassThrough(),
      output,
      language: 'en',
      color: false,
      signal: ending.signal,
    });
    await delay(100);
    ending.abort();
    expect(await code).toBe(1);
  });
});

describe('the hub restarts in the middle', () => {
  test('reconnecting, then the final answer, once', async () => {
    world.stepMs = 120;
    const chat = script(['/update now web']);
    chat.end();
    await until('the download', () => chat.text().includes('[2/7]'));
    await stopHub();
    await until('that it is noticed', () => chat.text().includes('reconnecting'));
    await delay(400);
    await startHub();
    expect(await chat.code).toBe(0);
    expect(count(chat.text(), 'reconnecting to the hub')).toBe(1);
    expect(count(chat.text(), 'connected again')).toBe(1);
    expect(count(chat.text(), 'back online')).toBe(1);
    expect(world.updates.size).toBe(1);
  });

  test('over and over', async () => {
    world.stepMs = 150;
    const chat = script(['/update now web', '/update now hello@1.2.0', '/update history']);
    chat.end();
    let ended = false;
    void chat.code.then(() => {
      ended = true;
    });
    for (let i = 0; i < 12 && !ended; i += 1) {
      await delay(120 + ((i * 53) % 160));
      await stopHub();
      await delay((i * 37) % 120);
      await startHub();
    }
    expect(await chat.code).toBe(1);
    expect(count(chat.text(), 'web is back online, 3.0.1')).toBe(1);
    expect(count(chat.text(), 'hello 1.2.0 failed and was rolled back')).toBe(1);
    expect(world.updates.size).toBe(2);
  });

  test('an update that ended while the hub was away', async () => {
    world.stepMs = 30;
    const asked = say('/update now web');
    await until('the update', () => world.updates.size === 1);
    await stopHub();
    await until('its end', () => [...world.updates.values()].every(({ state }) => state === 'succeeded'));
    await startHub();
    const { code, text } = await asked;
    expect(code).toBe(0);
    expect(count(text, 'back online')).toBe(1);
  });

  test('another terminal took the answer first: whoever asked gets it all the same', async () => {
    world.stepMs = 60;
    const watcher = script([]);
    const asked = say('/update now web');
    await until('the update', () => world.updates.size === 1);
    await stopHub();
    await startHub();
    expect((await asked).code).toBe(0);
    await until('the watcher', () => watcher.text().includes('back online'));
    watcher.end();
    await watcher.code;
    expect(count(watcher.text(), 'back online')).toBe(1);
  });
});

describe('say', () => {
  test('prints the replies until the final one; exit code 0', async () => {
    const { code, text } = await say('/update now web');
    expect(code).toBe(0);
    expect(text).toContain('back online');
  });

  test('--json: one object a line, the last one final', async () => {
    world.stepMs = 60;
    const { code, text } = await say('/update now hello@1.2.0', { json: true });
    expect(code).toBe(1);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.filter(({ final }) => final === true)).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ type: 'message', final: true, failed: true, reply: { tone: 'bad' } });
    expect(lines.some(({ type }) => type === 'edit')).toBe(true);
    expect(new Set(lines.map(({ answers }) => answers)).size).toBe(1);
  });

  test('no answer in time: exit code 1, and the answer waits for the chat', async () => {
    world.stepMs = 80;
    const { code, text } = await say('/update now web', { timeoutMs: 300 });
    expect(code).toBe(1);
    expect(text).toContain('No final answer in time');
    await until('its end', () => [...world.updates.values()].every(({ state }) => state === 'succeeded'));
    const chat = script([]);
    await until('the answer', () => chat.text().includes('back online'));
    chat.end();
    expect(await chat.code).toBe(0);
    // Shown once: the next to attach does not see it again.
    const { text: next } = await play(['/update status']);
    expect(next).not.toContain('back online');
  });

  test('no hub: exit code 1', async () => {
    await stopHub();
    expect(await say('/update', { timeoutMs: 300 })).toMatchObject({ code: 1 });
  });
});

test('two terminals: cancel from one, the asker is told in the other', async () => {
  world.stepMs = 250;
  const asked = say('/update now web');
  await until('the download', () => [...world.updates.values()].some(({ state }) => state === 'fetching'));
  const cancelled = await say('/update cancel');
  expect(cancelled).toMatchObject({ code: 0, text: expect.stringContaining('Cancelling u-2221 of web') });
  const { code, text } = await asked;
  expect(code).toBe(1);
  expect(text).toContain('Update of web to 3.0.1 cancelled');
  expect(text).toContain('web 2.0.2 never noticed and runs on.');
});

test('a slow source does not hold up cancelling', async () => {
  world.sourceMs = 20_000;
  const slow = say('/update check web', { timeoutMs: 4_500 });
  await until('the check', () => world.calls.check === 1);
  const began = performance.now();
  const cancel = await say('/update cancel');
  expect(cancel.text).toContain('No update is running');
  expect(performance.now() - began).toBeLessThan(3_500);
  await slow;
});
