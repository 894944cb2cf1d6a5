import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createScreen, type Screen, type Shown } from '../../adapters/terminal/index.ts';
import type { Reply } from '../../src/chat/contract.ts';
import { until } from '../support/until.ts';

/** A person's terminal, as far as `readline` and we use one: rows of text and a cursor. */
class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  columns: number;
  rows = 40;
  private screen: string[] = [''];
  private row = 0;
  private column = 0;
  writes = 0;

  constructor(columns: number) {
    super();
    this.columns = columns;
    this.on('data', (chunk: Buffer) => this.draw(chunk.toString('utf8')));
  }

  private draw(text: string): void {
    this.writes += 1;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's language
    for (const [token] of text.matchAll(/\x1b\[([0-9;?]*)([A-Za-z])|[\s\S]/gu)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's language
      const control = /^\x1b\[([0-9;?]*)([A-Za-z])$/.exec(token);
      if (control)
        this.control(Number(control[1] || (control[2] === 'J' || control[2] === 'K' ? 0 : 1)), control[2] ?? '');
      else if (token === '\n') this.newline();
      else if (token === '\r') this.column = 0;
      else this.put(token);
    }
  }

  private put(character: string): void {
    if (this.column >= this.columns) this.newline();
    const line = (this.screen[this.row] ?? '').padEnd(this.column, ' ');
    this.screen[this.row] = line.slice(0, this.column) + character + line.slice(this.column + 1);
    this.column += 1;
  }

  private newline(): void {
    this.row += 1;
    this.column = 0;
    while (this.screen.length <= this.row) this.screen.push('');
  }

  private control(n: number, what: string): void {
    if (what === 'A') this.row = Math.max(0, this.row - n);
    if (what === 'B') this.row += n;
    if (what === 'C') this.column += n;
    if (what === 'D') this.column = Math.max(0, this.column - n);
    if (what === 'G') this.column = n - 1;
    if (what === 'K') this.screen[this.row] = (this.screen[this.row] ?? '').slice(0, this.column);
    if (what === 'J') {
      this.screen[this.row] = (this.screen[this.row] ?? '').slice(0, this.column);
      this.screen.length = this.row + 1;
    }
  }

  lines(): string[] {
    return this.screen.map((line) => line.trimEnd());
  }
}

class FakeKeyboard extends PassThrough {
  readonly isTTY = true;
  setRawMode(): this {
    return this;
  }
}

let terminal: FakeTerminal;
let keyboard: FakeKeyboard;
let screen: Screen;
let typed: string[];
let ended: number;

beforeEach(() => open(80));
afterEach(() => screen.close());

function open(columns: number): void {
  terminal = new FakeTerminal(columns);
  keyboard = new FakeKeyboard();
  typed = [];
  ended = 0;
  screen = createScreen({
    input: keyboard as unknown as ReadStream,
    output: terminal as unknown as WriteStream,
    color: false,
    prompt: 'fettle> ',
    onLine: (line) => void typed.push(line),
    onEnd: () => {
      ended += 1;
    },
    complete: async (text) => ['/update now', '/update check'].filter((one) => one.startsWith(text)),
  });
}

function message(key: string, reply: Reply, values: Partial<Shown> = {}): Shown {
  return {
    type: 'message',
    key,
    ref: key,
    answers: 'e1',
    final: false,
    failed: false,
    ...values,
    reply: reply as Shown['reply'],
  };
}
const progress = (key: string, step: number, detail?: string, answers = 'e1') =>
  message(key, { tone: 'busy', title: key, progress: { label: `step ${step}`, step, steps: 7, detail } }, { answers });
const card = (key: string, title: string, answers = 'e1') =>
  message(key, { tone: 'good', title, fields: [{ name: 'took', value: '14 s' }] }, { final: true, answers });
const shows = (lines: readonly string[]) =>
  until(lines.join('|'), () => terminal.lines().join('\n') === lines.join('\n'));
const spinner = () => terminal.lines().map((line) => line.replace(/^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/u, '*'));

test('progress is redrawn in place above the prompt; what is typed stays; the answer takes its place', async () => {
  keyboard.write('/update now web\r');
  await until('the line', () => typed.length === 1);
  keyboard.write('/upd');
  for (let i = 0; i < 30; i += 1) screen.message(progress('web', 2, `${i} MB of 30 MB`));
  await until('the progress', () => spinner().join('\n').includes('29 MB'));
  expect(spinner()).toEqual(['fettle> /update now web', '* web  [2/7] step 2', '  29 MB of 30 MB', 'fettle> /upd']);
  screen.message(progress('web', 3));
  screen.message(card('final', 'web is back online'));
  await shows(['fettle> /update now web', '✔ web is back online', '  took  14 s', '', 'fettle> /upd']);
  screen.message(progress('web', 7));
  keyboard.write('ate\r');
  await until('the line', () => typed[1] === '/update');
  await shows(['fettle> /update now web', '✔ web is back online', '  took  14 s', '', 'fettle> /update', 'fettle>']);
});

test('two updates at once, one banner', async () => {
  screen.message(progress('web', 2));
  screen.message(progress('hello', 3, undefined, 'e2'));
  screen.banner('reconnecting to the hub …');
  await delay(30);
  expect(spinner()).toEqual(['* web  [2/7] step 2', '* hello  [3/7] step 3', '* reconnecting to the hub …', 'fettle>']);
  screen.banner(undefined);
  screen.message(card('f2', 'hello is back online', 'e2'));
  await delay(30);
  expect(spinner()).toEqual(['✔ hello is back online', '  took  14 s', '', '* web  [2/7] step 2', 'fettle>']);
});

test('an input that is longer than a row', async () => {
  open(40);
  const long = `/update now ${'x'.repeat(60)}`;
  // Typed, not pasted: readline itself leaves a line behind when more than a row is pasted at once.
  for (const character of long) {
    keyboard.write(character);
    await delay(0);
  }
  for (let i = 1; i < 6; i += 1) {
    screen.message(progress('web', i));
    await delay(20);
  }
  screen.message(card('final', 'done'));
  await delay(30);
  expect(terminal.lines().slice(0, 3)).toEqual(['✔ done', '  took  14 s', '']);
  expect(terminal.lines().slice(3).join('')).toBe(`fettle> ${long}`);
});

test('a window that is made narrower', async () => {
  screen.message(progress('an-app-with-a-rather-long-name', 2, '3.1 MB of 8.0 MB · 1.2 MB/s · 4 s left'));
  await delay(20);
  terminal.columns = 30;
  terminal.emit('resize');
  await delay(20);
  for (const line of terminal.lines()) expect(line.length).toBeLessThanOrEqual(30);
  screen.message(card('final', 'done'));
  await delay(20);
  expect(terminal.lines().slice(-4)).toEqual(['✔ done', '  took  14 s', '', 'fettle>']);
});

test('a still screen writes nothing; a live one turns', async () => {
  await delay(30);
  const before = terminal.writes;
  await delay(250);
  expect(terminal.writes).toBe(before);
  screen.message(progress('web', 2));
  const live = terminal.writes;
  await delay(350);
  expect(terminal.writes).toBeGreaterThan(live + 2);
});

test('Tab completes; Ctrl-C takes back what was typed, then leaves; Ctrl-D leaves', async () => {
  keyboard.write('/update n\t');
  await shows(['fettle> /update now']);
  keyboard.write('\x03');
  await shows(['fettle>']);
  expect(ended).toBe(0);
  keyboard.write('\x03');
  await until('the end', () => ended === 1);
  keyboard.write('\x04');
  await until('the end', () => ended >= 2);
});

test('a question is answered at the prompt, and is no message', async () => {
  const answer = screen.ask('Leave? [y/N]');
  await shows(['Leave? [y/N]']);
  keyboard.write('yes\r');
  expect(await answer).toBe(true);
  expect(typed).toEqual([]);
});

test('closing leaves what was said and nothing else', async () => {
  screen.message(card('final', 'done'));
  screen.message(progress('web', 2));
  screen.close();
  await delay(150);
  expect(terminal.lines().filter((line) => line !== '')).toEqual(['✔ done', '  took  14 s']);
});
