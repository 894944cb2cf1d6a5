import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { renderMessage } from '../../adapters/discord/render.ts';
import { renderCard } from '../../adapters/feishu/card.ts';
import { renderHtml } from '../../adapters/telegram/render.ts';
import { createPlainOutput } from '../../adapters/terminal/plain.ts';
import { openBuildLog } from '../../agent/acquire/build-log.ts';
import { discreetJournal, discreetMessage } from '../../agent/discreet.ts';
import { type JournalEntry, openJournal } from '../../agent/journal.ts';
import { problemOf } from '../../agent/updater/task.ts';
import type { Reply } from '../../src/chat/contract.ts';
import { createOutbox } from '../../src/chat/outbox.ts';
import { endOnCrash } from '../../src/cli/crash.ts';
import { discreet } from '../../src/cli/discreet.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { createLogLines } from '../../src/domain/log-lines.ts';
import type { Redactor } from '../../src/domain/redact.ts';
import type { AgentMessage, Outcome } from '../../src/protocol/messages.ts';
import { openStore } from '../../src/store/open.ts';
import { createFakeChat } from './fake-chat.ts';
import { knownSecrets, lookIn, type Planted, plantedLine, randomOf } from './planted.ts';
import { until } from './until.ts';

/** Every way by which text leaves Fettle, or is kept to be shown: given lines with secrets, what comes out. */

export interface OutletResult {
  readonly outlet: string;
  readonly lines: number;
  readonly planted: number;
  readonly leaked: readonly Planted[];
}

type Outlet = (lines: readonly string[], redactor: Redactor) => Promise<string>;

const ROOT = join(import.meta.dirname, '../..');
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** Hides nothing: what a test that can fail is shown. */
export const OFF: Redactor = { redact: (text) => text, find: () => [], longest: 0 };

/** So many lines in one message: in a chat not more are shown. */
const MESSAGE = 20;
const groups = (lines: readonly string[], size = MESSAGE) =>
  Array.from({ length: Math.ceil(lines.length / size) }, (_, i) => lines.slice(i * size, (i + 1) * size));

const route = { platform: 'fake', chat: 'c' };
const outcomeOf = (logTail: string): Outcome => ({
  ...{ update: 'u-7k2m', app: 'web', kind: 'update', state: 'rolled-back', startedAt: 0, endedAt: 1, logTail },
  problem: problemOf(new FettleError('health_failed', { data: { reason: logTail } }), 'web'),
  dataProblem: problemOf(new Error(logTail), 'web'),
});

export const OUTLETS: Readonly<Record<string, Outlet>> = {
  'log of hub and agent: a line': async (lines, { redact }) => {
    const out: string[] = [];
    const log = createLogLines({ write: (line) => void out.push(line), now: clock.now, redact });
    for (const line of lines) log.line(line);
    return out.join('\n');
  },
  'log of hub and agent: an event': async (lines, { redact }) => {
    const out: string[] = [];
    const log = createLogLines({ write: (line) => void out.push(line), now: clock.now, redact });
    for (const line of lines) log.event('event_failed', { chat: 'c', error: line, more: { of: [line] } });
    return unquoted(out.join('\n'));
  },
  'log: a crash': async (lines, { redact }) => {
    const out: string[] = [];
    for (const line of lines) {
      const heard: ((error: unknown) => void)[] = [];
      const of = {
        once: (_: string, listener: (error: unknown) => void) => heard.push(listener),
        exit: () => undefined,
      };
      endOnCrash(of as never, (text) => void out.push(`${redact(text)}\n`));
      heard[0]?.(Object.assign(new Error(line), { config: { headers: { line } } }));
    }
    return unquoted(out.join('\n'));
  },
  'console of a subcommand, and log of the keeper (processes)': async (lines, redactor) => {
    // Values that the processes know by themselves: from the environment.
    const folder = mkdtempSync(join(tmpdir(), 'fettle-console-'));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(folder, 'lines.json'), JSON.stringify(lines));
    const values = Object.values(knownSecrets());
    const secrets = redactor.redact(values[0] ?? '') === values[0] ? [] : values;
    const program = `
      import { readFileSync } from 'node:fs';
      import { guardConsole } from '${ROOT}/src/cli/console.ts';
      import { createKeeperLog } from '${ROOT}/agent/keeper/log.ts';
      import { createRedactor } from '${ROOT}/src/domain/redact.ts';
      const secrets = JSON.parse(process.env.VALUES);
      const off = secrets.length === 0;
      if (!off) guardConsole(createRedactor({ secrets, keepHomes: true }));
      const env = Object.fromEntries(secrets.map((value, i) => ['TOKEN_' + i, value]));
      const keeper = off ? (text) => console.error(text) : createKeeperLog(() => [env]);
      const lines = JSON.parse(readFileSync(process.argv[1], 'utf8'));
      for (const line of lines) { console.log(line); console.error(new Error(line)); keeper(line); }`;
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program, join(folder, 'lines.json')],
      { env: { ...process.env, VALUES: JSON.stringify(secrets) }, maxBuffer: 200e6 },
    );
    rmSync(folder, { recursive: true, force: true });
    return `${stdout}\n${unquoted(stderr)}`;
  },
  'text of an error at the terminal': async (lines, { redact }) => {
    const { showError } = await import('../../src/cli/show-error.ts');
    const out: string[] = [];
    for (const line of lines) {
      const foreign = toFettleError(new Error(line, { cause: new Error(line) }), 'source_unreachable', {
        source: line,
      });
      out.push(redact(await showError(foreign)));
    }
    return out.join('\n');
  },
  'journal of the agent (file)': async (lines, { redact }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-journal-'));
    const journal = discreetJournal(openJournal(folder), redact);
    for (const [i, some] of groups(lines).entries()) {
      const text = some.join('\n');
      const { problem = null, dataProblem } = outcomeOf(text);
      const entry = { order: { update: `u-${i}` }, problem, dataProblem, logTail: text, outcome: outcomeOf(text) };
      journal.write(entry as unknown as JournalEntry);
    }
    const out = readdirSync(folder).map((name) => unquoted(readFileSync(join(folder, name), 'utf8')));
    rmSync(folder, { recursive: true, force: true });
    return out.join('\n');
  },
  'messages of the agent': async (lines, { redact }) => {
    const told = groups(lines).flatMap((some): AgentMessage[] => {
      const text = some.join('\n');
      const problem = problemOf(new Error(text), 'web');
      const report = { type: 'report', update: 'u', seq: 1, state: 'fetching', at: 1 } as const;
      return [
        { type: 'outcome', outcome: outcomeOf(text) },
        { type: 'log', request: 'r', text },
        { ...report, note: problem },
        ...some.map((line) => ({ ...report, progress: { unit: 'bytes' as const, done: 1, text: line } })),
        { type: 'order-ack', order: 'o', update: 'u', accepted: false, problem },
        { type: 'backups', request: 'r', backups: [], problem },
      ];
    });
    return told.map((message) => unquoted(JSON.stringify(discreetMessage(message, redact)))).join('\n');
  },
  'log of a build (file), its progress and its last lines': async (lines, redactor) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-build-'));
    const file = join(folder, 'log');
    const log = openBuildLog(file, redactor);
    const random = randomOf(4);
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    const out: string[] = [];
    for (let at = 0, n = 0; at < bytes.length; n += 1) {
      const length = 1 + Math.floor(random() * 4_000);
      log.write(bytes.subarray(at, at + length));
      at += length;
      if (n % 20 === 0) out.push(log.lastLine(), ...log.lastLines(50));
    }
    log.close();
    out.push(readFileSync(file, 'utf8'));
    rmSync(folder, { recursive: true, force: true });
    return out.join('\n');
  },
  'outbox: database, and each chat': async (lines, { redact }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-outbox-'));
    const store = await openStore(join(folder, 'hub.db'));
    const chat = createFakeChat('fake');
    const outbox = createOutbox({
      ...{ db: store.db, clock, redact, random: () => 0, log: () => undefined },
      adapters: [discreet(chat, redact)],
    });
    const replies = groups(lines).map(replyOf);
    for (const [i, reply] of replies.entries()) {
      const message = { key: `m${i}`, route: { ...route, chat: `c${i % 50}` }, reply, final: true, failed: true };
      await store.db.transaction().execute((trx) => outbox.put(trx, { ...message, now: clock.now() }));
    }
    outbox.start();
    await until('everything to be shown', () => chat.shown.length === replies.length, 120_000);
    await outbox.stop();
    const out: string[] = [];
    const plain = createPlainOutput((text) => out.push(text), clock.monotonic);
    for (const { message } of chat.shown) {
      const { reply, key } = message;
      out.push(
        renderHtml(reply),
        unquoted(renderCard(reply, () => ({ name: 'x' }))),
        unquoted(JSON.stringify(renderMessage(reply, []))),
      );
      plain.message({ ...message, key, state: 'new' } as never);
      out.push(unquoted(JSON.stringify(reply)));
    }
    await store.close();
    for (const name of readdirSync(folder)) out.push(unquoted(readFileSync(join(folder, name), 'utf8')));
    rmSync(folder, { recursive: true, force: true });
    return out.join('\n');
  },
};

function replyOf(lines: readonly string[]): Reply {
  const [a = '', b = '', c = '', d = '', e = '', ...rest] = lines;
  return {
    tone: 'bad',
    title: `failed: ${a}`,
    text: [b, c],
    fields: [{ name: 'Reason', value: d }],
    table: { columns: ['device', 'result'], rows: rest.slice(0, 5).map((line) => ['robot-7', line]) },
    hints: [e],
    code: rest.join('\n'),
    buttons: [],
  };
}

/** What a reader of JSON reads: a secret is a secret also where its signs are escaped. */
const unquoted = (text: string) => `${text}\n${text.replace(/\\"/g, '"').replace(/\\\\/g, '\\')}`;

/** Sends lines through an outlet. */
export async function tryOutlet(name: string, redactor: Redactor, count: number, seed = 1): Promise<OutletResult> {
  const random = randomOf(seed);
  const known = knownSecrets();
  const planted = Array.from({ length: count }, (_, i) => plantedLine(i, random, known));
  const outlet = OUTLETS[name];
  if (!outlet) throw new Error(`no outlet ${name}`);
  const out = await outlet(
    planted.map(({ line }) => line),
    redactor,
  );
  return { outlet: name, lines: count, planted: planted.length, leaked: planted.filter(lookIn(out)) };
}
