import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { until } from './until.ts';

/** A command at a terminal of its own, as a person sees and types it (`script` of util-linux, which every Debian has). */
export interface PseudoTerminal {
  /** All that was shown, without colours and movements. */
  shown(): string;
  /** Resolves once this is shown, behind everything that was waited for before. */
  see(text: string | RegExp, limitMs?: number): Promise<void>;
  type(text: string): void;
  /** The exit code, once it has ended. */
  ended(limitMs?: number): Promise<number>;
  close(): void;
}

export const CTRL_C = '\x03';

export function startAtTerminal(argv: readonly string[], env: NodeJS.ProcessEnv): PseudoTerminal {
  const command = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('script', ['-q', '-e', '-f', '-E', 'never', '-c', command, '/dev/null'], {
    env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let seen = 0;
  let code: number | undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stdin.on('error', () => undefined);
  child.once('close', (status) => {
    code = status ?? -1;
  });
  const shown = () => stripVTControlCharacters(text).replaceAll('\r', '');
  return {
    shown,
    async see(wanted, limitMs) {
      await until(
        `${String(wanted)} on the screen`,
        () => {
          const rest = shown().slice(seen);
          const at = typeof wanted === 'string' ? rest.indexOf(wanted) : rest.search(wanted);
          if (at >= 0) {
            const length = typeof wanted === 'string' ? wanted.length : (wanted.exec(rest)?.[0].length ?? 0);
            seen += at + length;
            return true;
          }
          if (code !== undefined) throw new Error(`it ended with ${code}, and showed:\n${shown()}`);
          return false;
        },
        limitMs,
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\nshown:\n${shown()}`);
      });
    },
    type: (typed) => void child.stdin.write(typed),
    async ended(limitMs) {
      await until('the command to end', () => code !== undefined, limitMs);
      return code ?? -1;
    },
    close() {
      if (code === undefined) child.kill('SIGKILL');
    },
  };
}
