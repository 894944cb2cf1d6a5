import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Tools } from './figure.ts';

/** A process of the benchmark's own, so that what measures takes no time from what is measured. */
export interface Helper<Ask, Answer> {
  readonly pid: number;
  /** One question at a time. */
  ask(message: Ask): Promise<Answer>;
  end(): Promise<void>;
}

export async function startHelper<Ask extends object, Answer>(
  tools: Tools,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Helper<Ask, Answer>> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'helpers', file), {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const end = async () => {
    // It ends what it started, and itself, when nobody listens any more.
    if (child.connected) child.disconnect();
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(late);
  };
  tools.cleanup(end);
  return {
    pid: child.pid ?? 0,
    ask: (message) =>
      new Promise<Answer>((resolve, reject) => {
        const gone = () => reject(new Error(`${file} ended`));
        child.once('exit', gone);
        child.once('message', (answer) => {
          child.off('exit', gone);
          resolve(answer as Answer);
        });
        child.send(message);
      }),
    end,
  };
}
