import type { ChatPlatform } from '../../../config/chat-secrets.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { runInit } from '../init.ts';
import { createQuestions } from './questions.ts';

/** The flags of `fettle init` as the command line has them. */
export interface InitFlags {
  readonly name?: string;
  readonly source?: string;
  readonly build?: string;
  readonly run?: string;
  readonly keep: readonly string[];
  readonly leave: readonly string[];
  readonly port?: string;
  readonly health?: string;
  readonly user?: string;
  readonly current?: string;
  readonly file?: string;
  readonly userUnit?: boolean;
  readonly stopPid: readonly string[];
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly undo?: boolean;
  readonly json?: boolean;
  readonly chat?: ChatPlatform | 'terminal';
}

/** At a terminal a person is asked; Ctrl-C ends it where the same command can go on. */
export async function initFromFlags(
  target: string,
  { stopPid, keep, leave, chat, ...flags }: InitFlags,
  at: {
    readonly layout: HomeLayout;
    readonly environment: Environment;
    readonly config: string | undefined;
  },
): Promise<number> {
  const told = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => told.abort());
  const pids = stopPid.flatMap((text) => text.split(',')).map(Number);
  if (pids.some((pid) => !Number.isInteger(pid) || pid < 2))
    throw new FettleError('bad_arguments', { data: { reason: `--stop-pid ${stopPid.join(' ')}: expected a pid` } });
  const split = (paths: readonly string[]) => paths.flatMap((text) => text.split(',')).filter((path) => path !== '');
  const asks = process.stdin.isTTY && process.stdout.isTTY && !flags.yes && !flags.json && !flags.dryRun;
  const questions = asks ? createQuestions(process.stdin, process.stdout, told.signal) : undefined;
  // A chat is asked for once the app is there; what would be done is said of both.
  const onlySays = flags.dryRun === true || (flags.yes !== true && asks !== true);
  let adopted = onlySays && flags.undo !== true;
  let code: number;
  try {
    code = await runInit({
      ...flags,
      ...at,
      target,
      keep: split(keep),
      leave: split(leave),
      stopPid: pids,
      questions,
      signal: told.signal,
      print: (line) => console.log(line),
      onAdopted: () => {
        adopted = true;
      },
    });
  } finally {
    questions?.close();
  }
  if (code !== 0 || !adopted || told.signal.aborted) return code;
  const { chooseChat } = await import('./chat.ts');
  return chooseChat({
    ...at,
    chosen: chat,
    asks: asks === true,
    json: flags.json === true,
    dryRun: onlySays,
  });
}
