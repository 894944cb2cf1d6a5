import { createInterface } from 'node:readline/promises';

/** Asks a person at a terminal; there is none in a pipe. */
export interface Questions {
  /** The answer without the space around it; empty where Enter was pressed, or the end of input came. */
  ask(question: string): Promise<string>;
  close(): void;
}

export function createQuestions(input: NodeJS.ReadStream, output: NodeJS.WriteStream, signal: AbortSignal): Questions {
  const lines = createInterface({ input, output });
  const ended = new AbortController();
  lines.once('close', () => ended.abort());
  return {
    ask: (question) =>
      lines
        .question(question, { signal: AbortSignal.any([signal, ended.signal]) })
        .then((answer) => answer.trim())
        .catch(() => ''),
    close: () => lines.close(),
  };
}
