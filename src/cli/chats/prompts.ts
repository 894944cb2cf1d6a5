import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** A person at a terminal, while a chat is set up. */
export interface Prompts {
  /** The answer without the space around it. @throws the signal's reason after Ctrl-C, Ctrl-D, or the end of input */
  ask(question: string): Promise<string>;
  /** The same, and nothing of the answer is shown. */
  askHidden(question: string): Promise<string>;
  /** Resolves when Enter is pressed. Nothing is heard after `signal`. */
  enter(signal: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * One reader for all questions: a second one would lose what was typed ahead.
 * @param end ended by Ctrl-C, which a terminal in raw mode sends as a key
 */
export function createPrompts(input: NodeJS.ReadStream, output: NodeJS.WriteStream, end: AbortController): Prompts {
  let hidden = false;
  const shown = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!hidden) output.write(chunk);
      done();
    },
  });
  // No history: the arrow keys must not bring back a secret.
  const lines = createInterface({
    input,
    output: Object.assign(shown, { columns: output.columns }),
    terminal: true,
    historySize: 0,
  });
  lines.on('SIGINT', () => end.abort());
  lines.once('close', () => end.abort());
  // What is typed while nothing is asked is not shown either: it may be a secret, pasted too late or twice.
  hidden = true;

  async function question(text: string, hide: boolean): Promise<string> {
    end.signal.throwIfAborted();
    // A hidden line is drawn by nobody but us: the reader would draw the question anew with each key.
    if (hide) output.write(text);
    hidden = hide;
    try {
      return (await lines.question(hide ? '' : text, { signal: end.signal })).trim();
    } finally {
      hidden = true;
      if (hide || end.signal.aborted) output.write('\n');
    }
  }
  return {
    ask: (text) => question(text, false),
    askHidden: (text) => question(text, true),
    async enter(signal) {
      await lines.question('', { signal: AbortSignal.any([signal, end.signal]) }).catch(() => undefined);
    },
    close: () => lines.close(),
  };
}

/** Yes or no; Enter alone is `otherwise`. */
export async function agrees(prompts: Prompts, question: string, otherwise: boolean): Promise<boolean> {
  const answer = await prompts.ask(`${question} ${otherwise ? '[Y/n]' : '[y/N]'} `);
  return answer === '' ? otherwise : /^(y|yes|是|好)$/i.test(answer);
}
