import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import pc from 'picocolors';
import type { Tone } from '../../src/chat/contract.ts';
import { createCards } from './cards.ts';
import { type Look, layout, liveLines, MARKS, NO_PAINT, type Paint } from './layout.ts';
import type { Shown } from './protocol.ts';
import { truncate, widthOf } from './width.ts';

/**
 * A person's terminal: what was said scrolls up; under it the live cards, redrawn in place; under them the prompt.
 * Everything is drawn by {@link Screen.print} and the redraw alone, which take the live part away first, so that
 * nothing is ever written into what a person is typing.
 */
export interface Screen {
  message(message: Shown): void;
  /** A line of our own (`reconnecting …`). */
  notice(text: string, tone?: Tone): void;
  /** A line that stays above the prompt until it is changed or taken away. */
  banner(text: string | undefined): void;
  /** Asks a yes-or-no question at the prompt. */
  ask(question: string): Promise<boolean>;
  close(): void;
}

export interface ScreenOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly color: boolean;
  readonly prompt: string;
  readonly onLine: (line: string) => void;
  /** Ctrl-C, Ctrl-D. */
  readonly onEnd: () => void;
  readonly complete: (text: string) => Promise<readonly string[]>;
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const SPIN_MS = 100;
/** Longer lines are hard to read, however wide the window. */
const MOST_COLUMNS = 100;

export function createScreen(options: ScreenOptions): Screen {
  const { input, output } = options;
  const paint = options.color ? colours() : NO_PAINT;
  const cards = createCards();
  /** Visible widths of the live lines that are on the screen above the prompt. */
  let drawn: readonly number[] = [];
  let banner: string | undefined;
  let frame = 0;
  let spinner: NodeJS.Timeout | undefined;
  let closed = false;
  let asking: ((answer: string) => void) | undefined;

  const rl: Interface = createInterface({
    input,
    output,
    prompt: options.color ? pc.bold(options.prompt) : options.prompt,
    historySize: 200,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
      options.complete(line).then(
        (all) => done(null, [matching(all, line), line]),
        () => done(null, [[], line]),
      );
    },
  });
  rl.on('line', (line) => {
    // What was typed scrolls up with the live part above it already gone: draw that again below.
    drawn = [];
    if (asking) {
      const answer = asking;
      asking = undefined;
      answer(line);
    } else {
      options.onLine(line);
    }
    if (!closed) redraw();
  });
  rl.on('SIGINT', () => {
    if (asking) {
      asking('');
      asking = undefined;
    } else if (rl.line !== '') {
      // As in a shell: the first Ctrl-C takes back what was typed.
      rl.write(null, { ctrl: true, name: 'e' });
      rl.write(null, { ctrl: true, name: 'u' });
    } else {
      options.onEnd();
    }
  });
  rl.on('close', () => {
    if (!closed) options.onEnd();
  });
  const resized = () => redraw();
  output.on('resize', resized);

  const columns = () => Math.max(20, output.columns || 80);
  const look = (): Look => ({ paint, width: Math.min(columns() - 1, MOST_COLUMNS), marks: MARKS });

  /** Takes prompt and live part off the screen; the cursor is where they began. */
  function erase(): void {
    const { rows } = rl.getCursorPos();
    const live = drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns())), 0);
    cursorTo(output, 0);
    moveCursor(output, 0, -(rows + live));
    clearScreenDown(output);
    drawn = [];
    // readline remembers how many rows its prompt took and would go up that far again.
    (rl as unknown as { prevRows: number }).prevRows = 0;
  }

  function draw(): void {
    const width = Math.min(columns() - 1, MOST_COLUMNS);
    const mark = SPINNER[frame % SPINNER.length] ?? '•';
    const lines = cards.live().flatMap(({ reply }) => liveLines(reply, look(), mark));
    if (banner !== undefined) lines.push(paint.toned('warn', truncate(`${mark} ${banner}`, width)));
    // Never more than fits: what scrolled away could not be taken back.
    const room = Math.max(1, (output.rows || 24) - 3);
    const shown = lines.slice(-room);
    if (shown.length > 0) output.write(`${shown.join('\n')}\n`);
    drawn = shown.map((line) => widthOf(stripColours(line)));
    rl.prompt(true);
    spin();
  }

  function redraw(): void {
    if (closed) return;
    erase();
    draw();
  }

  function print(lines: readonly string[]): void {
    if (closed) {
      output.write(`${lines.join('\n')}\n`);
      return;
    }
    erase();
    output.write(`${lines.join('\n')}\n`);
    draw();
  }

  /** Turns only while something is live: a still screen causes no writes. */
  function spin(): void {
    const live = drawn.length > 0;
    if (live && spinner === undefined) {
      spinner = setInterval(() => {
        frame += 1;
        redraw();
      }, SPIN_MS);
      spinner.unref();
    } else if (!live) {
      clearInterval(spinner);
      spinner = undefined;
    }
  }

  rl.prompt();
  return {
    message(message) {
      const what = cards.take(message);
      if (what === 'print') print([...layout(message.reply, look()), '']);
      else redraw();
    },
    notice(text, tone = 'info') {
      print([paint.toned(tone, truncate(text, look().width))]);
    },
    banner(text) {
      if (banner === text) return;
      banner = text;
      redraw();
    },
    ask(question) {
      return new Promise((resolve) => {
        const before = rl.getPrompt();
        rl.setPrompt(`${question} `);
        redraw();
        asking = (answer) => {
          rl.setPrompt(before);
          resolve(/^\s*(y|yes|是|好)\s*$/i.test(answer));
        };
      });
    },
    close() {
      if (closed) return;
      erase();
      closed = true;
      clearInterval(spinner);
      output.off('resize', resized);
      rl.close();
      cursorTo(output, 0);
      clearScreenDown(output);
    },
  };
}

/** Readline replaces the whole line where one completion is left, so they are whole lines. */
function matching(all: readonly string[], line: string): string[] {
  const typed = line.startsWith('/') ? line : `/${line}`;
  const fitting = all.filter((one) => one.startsWith(typed));
  return line.startsWith('/') ? fitting : fitting.map((one) => one.slice(1));
}

function stripColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours
  return text.replace(/\x1b\[[0-9;]*m/g, '');
}

function colours(): Paint {
  const c = pc.createColors(true);
  const byTone: Readonly<Record<Tone, (text: string) => string>> = {
    info: c.cyan,
    busy: c.cyan,
    good: c.green,
    warn: c.yellow,
    bad: c.red,
  };
  return { strong: c.bold, faint: c.dim, toned: (tone, text) => byTone[tone](text) };
}
