import type { Environment } from '../../../config/environment.ts';
import type { KeyDeps } from './key-files.ts';

/** The option that every command which reads a secret key has. */
export const PASSWORD_OPTION = [
  '--password-file <file>',
  "the key's password is in it; else FETTLE_KEY_PASSWORD, else it is asked for",
] as const;

const warn = (line: string) => console.error(line);

/** What reads keys, with a terminal to ask at where there is one. */
export async function withKeys<T>(
  file: string | undefined,
  { keyPassword }: Environment,
  work: (deps: KeyDeps) => Promise<T>,
): Promise<T> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return work({ password: { file, variable: keyPassword }, warn });
  const { createPrompts } = await import('../chats/prompts.ts');
  const ended = new AbortController();
  let prompts: ReturnType<typeof createPrompts> | undefined;
  const ask = (question: string) => {
    prompts ??= createPrompts(process.stdin, process.stderr, ended);
    return prompts.askHidden(question);
  };
  try {
    return await work({ password: { file, variable: keyPassword, ask }, warn });
  } catch (error) {
    // Ctrl-C at the question.
    if (ended.signal.aborted) process.exit(130);
    throw error;
  } finally {
    prompts?.close();
  }
}
