import { INTERRUPTED } from '../device-options.ts';
import type { ChatCommand } from './contract.ts';
import { readPiped } from './credential.ts';
import { createPrompts, type Prompts } from './prompts.ts';

/**
 * Runs a command about chats with whoever is there: a person at a terminal is asked, a pipe is not. Ctrl-C ends it;
 * what was not written by then is not written.
 */
export async function atTerminal(
  at: Pick<ChatCommand, 'layout' | 'environment' | 'config' | 'json'>,
  work: (command: ChatCommand) => Promise<number>,
): Promise<number> {
  const told = new AbortController();
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => {
    const abort = () => told.abort();
    process.once(name, abort);
    return () => process.off(name, abort);
  });
  const asks = process.stdin.isTTY && process.stdout.isTTY && !at.json;
  const prompts: Prompts | undefined = asks ? createPrompts(process.stdin, process.stdout, told) : undefined;
  const command: ChatCommand = {
    ...at,
    prompts,
    stdin: () => readPiped(process.stdin, told.signal),
    signal: told.signal,
    print: (line) => console.log(line),
  };
  try {
    return await work(command);
  } catch (error) {
    if (!told.signal.aborted) throw error;
    console.error('Interrupted. Nothing else was changed.');
    return INTERRUPTED;
  } finally {
    for (const off of listeners) off();
    prompts?.close();
  }
}
