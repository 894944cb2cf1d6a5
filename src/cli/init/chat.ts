import { CHAT_PLATFORMS, type ChatPlatform } from '../../../config/chat-secrets.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { loadConfig } from '../../../config/load.ts';
import { addChat } from '../chats/add.ts';
import { type ChatCommand, configFileOf } from '../chats/contract.ts';
import { PLATFORM_WORDS } from '../chats/platforms.ts';
import { atTerminal } from '../chats/session.ts';
import { showError } from '../show-error.ts';

/** The last step of `fettle init`: in which chat people give commands. The app is taken over by then, whatever comes of it. */

export interface ChatStep {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  /** `--chat`; who is not at a terminal is not asked. */
  readonly chosen: ChatPlatform | 'terminal' | undefined;
  readonly asks: boolean;
  readonly json: boolean;
  readonly dryRun: boolean;
}

/** 0: set up, or not wanted; 1: it was not, and `fettle chats add` tries again; 130: Ctrl-C */
export async function chooseChat(step: ChatStep): Promise<number> {
  const { layout, environment, config, chosen, asks, json, dryRun } = step;
  if (chosen === 'terminal' || (chosen === undefined && (!asks || hasChat(step)))) return 0;
  return atTerminal({ layout, environment, config, json }, async (command) => {
    const platform = chosen ?? (await ask(command));
    if (platform === 'terminal') {
      command.print('The terminal it is: `fettle chat`. Another one later: fettle chats add');
      return 0;
    }
    try {
      return await addChat(platform, { dryRun, ...(asks ? {} : { wait: false as const }) }, command);
    } catch (error) {
      if (command.signal.aborted) {
        if (!dryRun) console.error(`The app is set up, the chat is not: fettle chats add ${platform}`);
        throw error;
      }
      console.error(await showError(error));
      console.error(`The chat is not set up${dryRun ? '' : '; the app is'}. Try again: fettle chats add ${platform}`);
      return 1;
    }
  });
}

function hasChat(step: ChatStep): boolean {
  try {
    const { chats } = loadConfig(configFileOf(step)).config;
    return CHAT_PLATFORMS.some((platform) => chats[platform] !== undefined);
  } catch {
    // It is said wherever the file is read.
    return true;
  }
}

async function ask({ prompts, print }: ChatCommand): Promise<ChatPlatform | 'terminal'> {
  if (!prompts) return 'terminal';
  const choices = ['terminal', ...CHAT_PLATFORMS] as const;
  print('');
  print('Where do you give commands, and want to hear of updates? The terminal is always there. Another chat:');
  for (const [index, choice] of choices.entries()) {
    const words = choice === 'terminal' ? undefined : PLATFORM_WORDS[choice];
    print(`  ${index + 1}  ${words ? `${words.name.padEnd(9)} ${words.about}` : 'none, the terminal alone'}`);
  }
  for (;;) {
    const answer = (await prompts.ask('Which? [1] ')).toLowerCase();
    if (answer === '') return 'terminal';
    const choice = choices[Number(answer) - 1] ?? choices.find((name) => name === answer);
    if (choice !== undefined) return choice;
    print(`Expected a number from 1 to ${choices.length}.`);
  }
}
