import { inspect } from 'node:util';

/**
 * What nobody caught ends the process, as it would without this; but Node would print it as it is, with everything that
 * hangs on it: of a request that failed, its address and headers, and so a token.
 *
 * @param say writes to the log, redacted
 */
export function endOnCrash(of: Pick<NodeJS.Process, 'once' | 'exit'>, say: (line: string) => void): void {
  of.once('uncaughtException', (error: unknown) => {
    try {
      say(`crashed ${inspect(error, { depth: 4 }).slice(0, 20_000)}`);
    } finally {
      of.exit(1);
    }
  });
}
