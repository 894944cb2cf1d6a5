import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import type { PlatformDeps } from '../../../adapters/index.ts';
import type { ChatPlatform } from '../../../config/chat-secrets.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { MESSAGES, type ProblemText } from '../../chat/messages/index.ts';
import { COMMANDS } from '../../commands/index.ts';
import type { ErrorData } from '../../domain/errors.ts';
import { machineClock } from '../npm-tools.ts';
import type { Prompts } from './prompts.ts';

/** What each command about chats is given. */
export interface ChatCommand {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  /** `--config`. */
  readonly config: string | undefined;
  readonly json: boolean;
  /** Somebody to ask; absent in a pipe. */
  readonly prompts: Prompts | undefined;
  /** What is piped in. */
  readonly stdin: () => Promise<string>;
  /** Ended by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** With where lines for people go: nowhere with `--json`. */
export type Saying = ChatCommand & {
  readonly say: (line: string) => void;
  /** The bot was made by a scan just now. */
  readonly made?: boolean | undefined;
};

/** What may be said of a chat on the command line. No secret is among it. */
export interface ChatFlags {
  readonly appId?: string | undefined;
  readonly domain?: string | undefined;
  readonly api?: string | undefined;
  readonly proxy?: string | undefined;
  readonly guild?: readonly string[] | undefined;
  /** A file with the secret, `-` for standard input. */
  readonly secretFile?: string | undefined;
  /** The secret stays in that file, or in its variable. */
  readonly inPlace?: boolean | undefined;
  /** Make a Feishu app by a QR code. */
  readonly qr?: boolean | undefined;
  /** Another secret, or other settings, may be replaced. */
  readonly replace?: boolean | undefined;
  /** false: the platform is not asked. */
  readonly check?: boolean | undefined;
  readonly restart?: boolean | undefined;
  /** Seconds to wait for a test message; false: none. */
  readonly wait?: number | false | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What is wrong with a chat; a newer hub may have codes that are not known here. */
export type Problem = { readonly code: string; readonly data: ErrorData };

export function configFileOf({ config, layout }: Pick<ChatCommand, 'config' | 'layout'>): string {
  return config === undefined ? layout.config : resolve(config);
}

/** What adapters are made with where no hub is. What they log is for a hub's log; people are told in words. */
export function platformDeps(environment: Environment): PlatformDeps {
  return {
    commands: COMMANDS,
    clock: machineClock,
    random: () => randomInt(1_000_000) / 1_000_000,
    log: () => undefined,
    environment: environment.all,
  };
}

export function problemText({ code, data }: Problem, environment: Environment): ProblemText {
  return MESSAGES[environment.language ?? 'en'].problem(code, data);
}

/** In two lines: what is wrong, and what to do. */
export function problemLines(problem: Problem, environment: Environment): string[] {
  const { text, next } = problemText(problem, environment);
  return [text, ...(next === undefined ? [] : [`  → ${next}`])];
}

export type { ChatPlatform };
