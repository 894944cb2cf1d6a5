import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ChatsConfig } from './chat-schema.ts';

/** The only reader of the chats' secrets: a variable of the environment, else a file. Values are never logged. */

/** The platforms that a hub may be configured for. */
export const CHAT_PLATFORMS = ['feishu', 'discord', 'telegram'] as const;
export type ChatPlatform = (typeof CHAT_PLATFORMS)[number];

/** Where a platform's secret is looked for. */
export interface SecretPlace {
  /** `token`, `app secret` */
  readonly what: string;
  readonly variable: string;
  readonly file: string;
}

export type ChatSecret =
  | { readonly found: true; readonly value: string; readonly place: SecretPlace; readonly from: 'variable' | 'file' }
  | { readonly found: false; readonly place: SecretPlace; readonly reason: string | undefined };

const PLACES: Readonly<Record<ChatPlatform, Omit<SecretPlace, 'file'> & { readonly name: string }>> = {
  feishu: { what: 'app secret', variable: 'FETTLE_FEISHU_SECRET', name: 'feishu.secret' },
  discord: { what: 'token', variable: 'FETTLE_DISCORD_TOKEN', name: 'discord.token' },
  telegram: { what: 'token', variable: 'FETTLE_TELEGRAM_TOKEN', name: 'telegram.token' },
};

/** @param configFile the file that the chats are in: secrets are beside it unless it says otherwise */
export function secretPlace(platform: ChatPlatform, chats: ChatsConfig, configFile: string): SecretPlace {
  const { what, variable, name } = PLACES[platform];
  const given = platform === 'feishu' ? chats.feishu?.secretFile : chats[platform]?.tokenFile;
  return { what, variable, file: given ?? join(dirname(configFile), name) };
}

/** A platform's secret, without white space around it. */
export function readChatSecret(
  place: SecretPlace,
  environment: Readonly<Record<string, string | undefined>>,
): ChatSecret {
  const variable = environment[place.variable]?.trim();
  if (variable) return { found: true, value: variable, place, from: 'variable' };
  try {
    const value = readFileSync(place.file, 'utf8').trim();
    if (value !== '') return { found: true, value, place, from: 'file' };
    return { found: false, place, reason: 'the file is empty' };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { found: false, place, reason: code === 'ENOENT' ? undefined : (code ?? 'the file is unreadable') };
  }
}
