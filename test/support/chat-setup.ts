import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../../config/environment.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import type { ChatCommand, ChatFlags } from '../../src/cli/chats/contract.ts';
import type { ChatPlatform } from './chat-platform.ts';
import { startDiscord } from './discord/index.ts';
import { startFeishu } from './feishu/index.ts';
import { startTelegram } from './telegram/index.ts';

/** What tests of setting a chat up need: each platform on this machine, and a home where nobody has set up anything. */

export const PLATFORMS = {
  feishu: startFeishu,
  discord: startDiscord,
  telegram: startTelegram,
} as const satisfies Record<ChatPlatform['platform'], () => Promise<ChatPlatform>>;

/** What a person would give, as flags; and the secret, which is none. */
export function flagsOf(platform: ChatPlatform): { readonly flags: ChatFlags; readonly secret: string } {
  const { api, domain, appId } = platform.config as Record<string, string | undefined>;
  const flags = platform.platform === 'feishu' ? { domain, appId } : { api };
  return { flags, secret: Object.values(platform.environment)[0] ?? '' };
}

/** The same as they are typed. */
export function argvOf(platform: ChatPlatform): string[] {
  const { flags } = flagsOf(platform);
  const { api, domain, appId } = flags;
  return Object.entries({ '--api': api, '--domain': domain, '--app-id': appId }).flatMap(([flag, value]) =>
    value === undefined ? [] : [flag, value],
  );
}

/** Answers in order; a question without one ends it as Ctrl-C does. */
export interface Script {
  readonly asked: string[];
  readonly answers: string[];
}

export interface SetupHome {
  readonly layout: HomeLayout;
  readonly said: string[];
  /** @param script somebody at a terminal; absent: a pipe */
  command(more?: Partial<ChatCommand>, script?: Script): ChatCommand;
  close(): void;
}

export function makeSetupHome(): SetupHome {
  const root = mkdtempSync(join(tmpdir(), 'fettle-chats-'));
  const home = join(root, 'home');
  const said: string[] = [];
  return {
    layout: homeLayout(home, join(root, 'run')),
    said,
    command(more = {}, script) {
      const end = new AbortController();
      const ask = async (question: string) => {
        script?.asked.push(question);
        const answer = script?.answers.shift();
        if (answer === undefined) end.abort();
        end.signal.throwIfAborted();
        return answer ?? '';
      };
      return {
        layout: homeLayout(home, join(root, 'run')),
        environment: readEnvironment({ PATH: process.env.PATH, HOME: root, LANG: 'en_US.UTF-8' }),
        config: undefined,
        json: false,
        prompts: script && {
          ask,
          askHidden: ask,
          enter: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
          close: () => undefined,
        },
        stdin: async () => '',
        signal: end.signal,
        print: (line) => said.push(line),
        ...more,
      };
    },
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}
