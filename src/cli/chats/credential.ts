import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ChatPlatform, SecretPlace } from '../../../config/chat-secrets.ts';
import { FettleError } from '../../domain/errors.ts';
import { APP_ID, PLATFORM_WORDS } from './platforms.ts';
import type { Prompts } from './prompts.ts';

/** Where credentials come from, and what they look like. None is ever an argument, which everybody on the machine can read. */

/** Where a secret was taken from. `stored`: it is in its file already. */
export type CredentialSource = 'stdin' | 'file' | 'variable' | 'stored' | 'prompt' | 'registration';

export interface Credential {
  readonly value: string;
  readonly from: CredentialSource;
}

/** Longer than any; what is read beyond is not looked at. */
const MOST = 4_096;
const PIPE_MS = 60_000;

/**
 * What was said wins: a file, standard input (`-`); then the variable, the file that is there, the person.
 * @throws {FettleError} `bad_arguments` where nobody has one; `chat_credentials_malformed`
 */
export async function findSecret(
  platform: ChatPlatform,
  from: {
    /** `--secret-file`. */
    readonly file: string | undefined;
    readonly place: SecretPlace;
    readonly stored: string | undefined;
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly stdin: () => Promise<string>;
    readonly prompts: Prompts | undefined;
    readonly say: (line: string) => void;
  },
): Promise<Credential> {
  const { what, where } = PLATFORM_WORDS[platform].secret;
  if (from.file !== undefined) {
    const value = await readGiven(from.file, from.stdin);
    refuseShape(platform, value);
    return { value, from: from.file === '-' ? 'stdin' : 'file' };
  }
  const variable = from.environment[from.place.variable]?.trim();
  if (variable) {
    refuseShape(platform, variable);
    return { value: variable, from: 'variable' };
  }
  if (from.prompts) {
    const keep = from.stored === undefined ? '' : ' (Enter: the one that is stored)';
    for (;;) {
      const value = await from.prompts.askHidden(`The ${what}, which is not shown${keep}: `);
      if (value === '' && from.stored !== undefined) return { value: from.stored, from: 'stored' };
      if (isShaped(platform, value)) return { value, from: 'prompt' };
      from.say(`That can't be right: expected ${PLATFORM_WORDS[platform].secret.expected}. It is at ${where}.`);
    }
  }
  if (from.stored !== undefined) {
    refuseShape(platform, from.stored);
    return { value: from.stored, from: 'stored' };
  }
  const reason = `there is no ${what} yet. Give --secret-file FILE (- is standard input), or set ${from.place.variable}; at a terminal you are asked for it`;
  throw new FettleError('bad_arguments', { data: { reason } });
}

/** Feishu's app, which is no secret. @throws {FettleError} as {@link findSecret} */
export async function findAppId(
  said: string | undefined,
  prompts: Prompts | undefined,
  say: (line: string) => void,
): Promise<string> {
  if (said !== undefined) {
    if (!APP_ID.shape.test(said)) throw malformed('feishu', 'app id', APP_ID);
    return said;
  }
  while (prompts) {
    const value = await prompts.ask('The app id (cli_…): ');
    if (APP_ID.shape.test(value)) return value;
    say(`That can't be right: expected ${APP_ID.expected}. It is at ${APP_ID.where}.`);
  }
  throw new FettleError('bad_arguments', { data: { reason: `give --app-id: ${APP_ID.expected}, at ${APP_ID.where}` } });
}

export function isShaped(platform: ChatPlatform, value: string): boolean {
  return PLATFORM_WORDS[platform].secret.shape.test(value);
}

function refuseShape(platform: ChatPlatform, value: string): void {
  const { secret } = PLATFORM_WORDS[platform];
  if (!isShaped(platform, value)) throw malformed(platform, secret.what, secret);
}

function malformed(platform: ChatPlatform, what: string, of: { readonly expected: string; readonly where: string }) {
  return new FettleError('chat_credentials_malformed', {
    data: { platform, what, expected: of.expected, where: of.where },
  });
}

/** @throws {FettleError} `bad_arguments` naming the file; its content is in no message */
async function readGiven(file: string, stdin: () => Promise<string>): Promise<string> {
  try {
    return (file === '-' ? await stdin() : readFileSync(resolve(file), 'utf8')).slice(0, MOST).trim();
  } catch (error) {
    if (error instanceof FettleError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why = { ENOENT: 'there is no such file', EACCES: 'it may not be read', EISDIR: 'it is a folder' }[code ?? ''];
    const reason = `--secret-file ${file}: ${why ?? code ?? "it can't be read"}`;
    throw new FettleError('bad_arguments', { data: { reason }, cause: error });
  }
}

/**
 * What is piped in, to its end, or as much as a secret may have.
 * @throws {FettleError} `bad_arguments` at a terminal, which would show it; where nothing comes within a minute
 */
export async function readPiped(input: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  const refuse = (reason: string) =>
    new FettleError('bad_arguments', { data: { reason: `--secret-file -: ${reason}` } });
  if (input.isTTY) throw refuse('a terminal would show what is typed. Leave it out: you are asked then');
  const late = AbortSignal.timeout(PIPE_MS);
  const ended = AbortSignal.any([signal, late]);
  const stop = () => input.destroy();
  ended.addEventListener('abort', stop, { once: true });
  try {
    let text = '';
    for await (const chunk of input) {
      text += String(chunk);
      if (text.length >= MOST) break;
    }
    return text;
  } catch (error) {
    if (late.aborted) throw refuse('nothing came');
    signal.throwIfAborted();
    throw error;
  } finally {
    ended.removeEventListener('abort', stop);
  }
}
