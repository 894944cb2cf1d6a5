import { z } from 'zod';
import { duration } from './duration.ts';
import { anyPath, httpUrl } from './words.ts';

/**
 * The chats of a hub. Secrets are never in this file: each is in a file of its own, or in a variable of the
 * environment, which wins.
 */

const proxy = z
  .union([z.literal('none'), httpUrl])
  .optional()
  .describe(
    'An HTTP proxy for this chat alone, such as http://127.0.0.1:7890. HTTPS_PROXY otherwise; `none` is no proxy.',
  );

/** Each request has the bot's secret in it: unencrypted it goes to this machine and its own network alone. */
const platformUrl = httpUrl.refine((text) => {
  // What is no address at all is said by what comes before.
  if (!URL.canParse(text)) return true;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || isNear(hostname);
}, 'expected an address that starts with https://; http:// would show the secret to everybody on the way');

/** This machine, its network, or a name that only such a network knows (a container's). */
function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (/^(?:127|10)(?:\.\d+){3}$|^192\.168(?:\.\d+){2}$|^172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2}$/.test(host)) return true;
  if (host.includes(':')) return host === '::1' || /^f[cd]/.test(host);
  return !host.includes('.') || /\.(?:localhost|local|internal|lan|home\.arpa)$/.test(host);
}

const api = (standard: string) =>
  platformUrl.optional().describe(`Address of the platform's API, where it is not ${standard}.`);

export const FeishuSchema = z
  .strictObject({
    appId: z.string().describe('The id of the app, `cli_` and 16 hexadecimal digits.'),
    secretFile: anyPath
      .optional()
      .describe('A file with the app secret. FETTLE_FEISHU_SECRET wins. `feishu.secret` beside this file.'),
    domain: z
      .union([z.enum(['feishu', 'lark']), platformUrl])
      .default('feishu')
      .describe('`feishu` (China), `lark` (elsewhere), or an address.'),
    proxy,
  })
  .describe('Feishu or Lark: see docs/chats/feishu.md.');
export type FeishuConfig = z.output<typeof FeishuSchema>;

export const DiscordSchema = z
  .strictObject({
    tokenFile: anyPath
      .optional()
      .describe("A file with the bot's token. FETTLE_DISCORD_TOKEN wins. `discord.token` beside this file."),
    guilds: z
      .array(z.string().regex(/^\d{15,21}$/, 'expected the id of a server: 15 to 21 digits'))
      .optional()
      .describe('Servers (by id) that the bot serves. All that it was invited to, unless given.'),
    api: api('https://discord.com/api'),
    proxy,
  })
  .describe('Discord: see docs/chats/discord.md.');
export type DiscordConfig = z.output<typeof DiscordSchema>;

export const TelegramSchema = z
  .strictObject({
    tokenFile: anyPath
      .optional()
      .describe("A file with the bot's token. FETTLE_TELEGRAM_TOKEN wins. `telegram.token` beside this file."),
    api: api('https://api.telegram.org'),
    proxy,
  })
  .describe('Telegram: see docs/chats/telegram.md.');
export type TelegramConfig = z.output<typeof TelegramSchema>;

export const ChatsSchema = z
  .strictObject({
    feishu: FeishuSchema.optional(),
    discord: DiscordSchema.optional(),
    telegram: TelegramSchema.optional(),
    rate: z
      .strictObject({
        perMinute: z.number().int().min(1).max(6_000).default(20).describe('Commands of one person in a minute.'),
        burst: z.number().int().min(1).max(1_000).default(10).describe('So many at once.'),
      })
      .prefault({})
      .describe('How much one person may ask, over all chats; one chat three times as much. The terminal is free.'),
    editInterval: duration('100ms', '1m')
      .optional()
      .describe('Least time between two edits of one message. Each platform has one of its own; a longer one counts.'),
  })
  .describe('The chats in which people give commands. The terminal is always one.');
export type ChatsConfig = z.output<typeof ChatsSchema>;

/** What people say to the bot → the command that is meant; or several, of which it asks one. */
export const PhrasesSchema = z
  .record(
    z.string().regex(/\S/),
    z.union([
      z.string().regex(/^\//, 'expected a command, such as /update now'),
      z.array(z.string().regex(/^\//)).min(2),
    ]),
  )
  .describe('What people say to the bot, and the command that they mean; several commands: it asks which.');
