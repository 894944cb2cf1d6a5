import { createHash } from 'node:crypto';
import type { Language, MenuCommand } from '../../src/chat/contract.ts';

/**
 * The command table as Telegram's menu (https://core.telegram.org/bots/api#setmycommands): names of 1–32 small letters,
 * digits and underscores, descriptions of 1–256 characters, at most 100. `update now` is `/update_now`. Pure.
 */

export interface BotCommand {
  readonly command: string;
  readonly description: string;
}

const MAX_COMMANDS = 100;
const MAX_NAME = 32;
const MAX_DESCRIPTION = 256;

/** `update now` → `update_now`. */
export function menuName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, MAX_NAME);
}

/** The menu in one language. */
export function menuOf(commands: readonly MenuCommand[], language: Language): readonly BotCommand[] {
  return commands.slice(0, MAX_COMMANDS).map(({ name, help }) => ({
    command: menuName(name),
    description: Array.from(help[language] || name)
      .slice(0, MAX_DESCRIPTION)
      .join('')
      .slice(0, MAX_DESCRIPTION),
  }));
}

/** What a person picked or typed → the text of the command: `/update_now@bot web` → `/update now web`. */
export function createReader(commands: readonly MenuCommand[], username: string) {
  const names = new Map(commands.map(({ name }) => [menuName(name), name]));
  const firstWords = new Set(commands.map(({ name }) => name.split(' ')[0]));
  const own = `@${username.toLowerCase()}`;
  return {
    /** Whose command begins the text; `undefined`: it begins with none. `maybe`: nobody is named, and we have one like it. */
    addressee(text: string): 'ours' | 'maybe' | 'another' | 'unknown' | undefined {
      const [, name, bot] = COMMAND.exec(text) ?? [];
      if (name === undefined) return undefined;
      if (bot !== undefined) return bot.toLowerCase() === own ? 'ours' : 'another';
      return names.has(name.toLowerCase()) || firstWords.has(name.toLowerCase()) ? 'maybe' : 'unknown';
    },
    read(text: string): string {
      const [whole = '', name, bot = own] = COMMAND.exec(text) ?? [];
      if (name === undefined || bot.toLowerCase() !== own) return text;
      // Telegram's own button begins every direct chat with it; what follows is a link's payload.
      if (name.toLowerCase() === 'start') return '/help';
      return `/${names.get(name.toLowerCase()) ?? name}${text.slice(whole.length)}`;
    },
  };
}
const COMMAND = /^\/([A-Za-z0-9_]+)(@\w+)?/;
export type CommandReader = ReturnType<typeof createReader>;

/** What is registered: the same table for the same bot has the same one. */
export function menuDigest(bot: number, commands: readonly MenuCommand[]): string {
  const all = [bot, SCOPES, menuOf(commands, 'en'), menuOf(commands, 'zh')];
  return createHash('sha256').update(JSON.stringify(all)).digest('base64url');
}

/** Where the menu is shown (#botcommandscope). English is for everybody who has no menu of their own language. */
export const SCOPES = ['all_private_chats', 'all_group_chats'] as const;
export const MENU_LANGUAGES: readonly { readonly language: Language; readonly code: '' | 'zh' }[] = [
  { language: 'en', code: '' },
  { language: 'zh', code: 'zh' },
];
