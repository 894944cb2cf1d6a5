import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PlatformSettings } from '../../../adapters/index.ts';
import type { ChatsConfig } from '../../../config/chat-schema.ts';
import { readChatSecret, type SecretPlace, secretPlace } from '../../../config/chat-secrets.ts';
import { ConfigError, parseConfig } from '../../../config/load.ts';
import { readFile } from '../../../config/parse.ts';
import { FettleError } from '../../domain/errors.ts';
import { chatPlatforms } from '../chat-platforms.ts';
import type { ChatFlags, ChatPlatform } from './contract.ts';
import { type ChatKeys, setChat } from './yaml.ts';

/** What is there of a chat, and what would be. Nothing is written here. */

export interface Present {
  readonly file: string;
  readonly text: string;
  readonly chats: ChatsConfig;
  /** The chat is in the file already. */
  readonly configured: boolean;
  readonly place: SecretPlace;
  /** What is in the secret's file. */
  readonly stored: string | undefined;
}

/** @throws {ConfigError} where the file is not right as it is */
export function presentOf(platform: ChatPlatform, file: string, inPlace: string | undefined): Present {
  const text = readFile(file);
  const { chats } = parseConfig(text, file);
  const known = secretPlace(platform, chats, file);
  const place = inPlace === undefined ? known : { ...known, file: inPlace };
  const secret = readChatSecret(place, {});
  return {
    file,
    text,
    chats,
    configured: chats[platform] !== undefined,
    place,
    stored: secret.found ? secret.value : undefined,
  };
}

/** With `--in-place`, where the secret is to stay. */
export function placeSaid({ secretFile, inPlace }: ChatFlags): string | undefined {
  return inPlace && secretFile !== undefined && secretFile !== '-' ? resolve(secretFile) : undefined;
}

/** The keys of the chat as they will stand. What was not said stays as it is. */
export function keysOf(
  platform: ChatPlatform,
  flags: ChatFlags,
  said: { readonly appId: string | undefined; readonly domain: string | undefined },
): ChatKeys {
  const file = placeSaid(flags);
  const keys: Record<string, string | readonly string[]> = {};
  const add = (key: string, value: string | readonly string[] | undefined) => {
    if (value !== undefined) keys[key] = value;
  };
  if (platform === 'feishu') {
    add('appId', said.appId);
    add('domain', said.domain);
    add('secretFile', file);
  } else {
    add('tokenFile', file);
    add('api', flags.api);
  }
  if (platform === 'discord' && (flags.guild?.length ?? 0) > 0) add('guilds', flags.guild);
  add('proxy', flags.proxy);
  return keys;
}

export interface Planned {
  /** What the file will have. */
  readonly text: string;
  readonly settings: PlatformSettings;
  /** A chat that was there gets other values. */
  readonly changes: boolean;
}

/** @throws {FettleError} `bad_arguments` naming the flag whose value is not understood */
export function planned(platform: ChatPlatform, present: Present, keys: ChatKeys, secret: string): Planned {
  const { file, place } = present;
  const text = setChat(present.text, platform, keys);
  try {
    const { chats } = parseConfig(text, file);
    const settings = chatPlatforms(chats, file, { [place.variable]: secret })[platform];
    if (!settings) throw new Error('the chat is not in the file');
    return { text, settings, changes: present.configured && text !== present.text };
  } catch (error) {
    throw inFlags(error, platform);
  }
}

const FLAGS: Readonly<Record<string, string>> = {
  domain: '--domain',
  api: '--api',
  proxy: '--proxy',
  guilds: '--guild',
  appId: '--app-id',
};

/** A problem in lines that are not written yet is one of what was said. */
function inFlags(error: unknown, platform: ChatPlatform): unknown {
  if (!(error instanceof ConfigError)) return error;
  const [problem] = error.problems.filter(({ key }) => key.startsWith(`chats.${platform}.`));
  const key = problem?.key.split('.')[2] ?? '';
  const flag = FLAGS[key];
  return problem && flag
    ? new FettleError('bad_arguments', { data: { reason: `${flag}: ${problem.expected}` }, cause: error })
    : error;
}

/** Flags of another platform would be passed over in silence. @throws {FettleError} `bad_arguments` */
export function refuseForeignFlags(platform: ChatPlatform, flags: ChatFlags): void {
  const foreign = [
    ...(platform === 'feishu' ? [] : (['appId', 'domain', 'qr'] as const)),
    ...(platform === 'feishu' ? (['api'] as const) : []),
    ...(platform === 'discord' ? [] : (['guild'] as const)),
  ].filter((key) => flags[key] !== undefined && (key !== 'guild' || (flags.guild?.length ?? 0) > 0));
  const [first] = foreign;
  const reason = (text: string) => new FettleError('bad_arguments', { data: { reason: text } });
  if (first !== undefined) throw reason(`${FLAGS[first] ?? `--${first}`} is not for ${platform}`);
  if (flags.inPlace && flags.secretFile === '-') throw reason('--in-place: what is piped in has no place to stay');
  if (flags.inPlace && flags.secretFile !== undefined && !existsSync(flags.secretFile))
    throw reason(`--in-place: there is no file ${flags.secretFile}`);
}
