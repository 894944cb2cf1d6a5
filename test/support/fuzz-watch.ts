import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What became of a process that was fuzzed. */
export interface FuzzFigures {
  /** Uncaught exceptions and unhandled rejections, each with its message. */
  readonly unhandled: readonly string[];
  /** Heap and buffers in bytes, after a collection: when it was warm, and at the end. */
  readonly before: number;
  readonly after: number;
  readonly seconds: number;
}

export interface FuzzResult extends FuzzFigures {
  readonly messages: number;
  /** How connections ended, by close code. */
  readonly closes: Readonly<Record<string, number>>;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function used(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export function createWatch() {
  const unhandled: string[] = [];
  const note = (error: unknown) => void unhandled.push(String(error instanceof Error ? error.stack : error));
  process.on('unhandledRejection', note).on('uncaughtException', note);
  const began = performance.now();
  let before = 0;
  return {
    /** It is warm: from here on memory is compared. */
    start() {
      before = used();
    },
    end: (): FuzzFigures => ({ unhandled, before, after: used(), seconds: (performance.now() - began) / 1_000 }),
    stop: () => void process.off('unhandledRejection', note).off('uncaughtException', note),
  };
}
