import type { ChatPlatform } from '../../../config/chat-secrets.ts';

/** What a person is told of each platform while a chat is set up. */
export interface PlatformWords {
  readonly name: string;
  /** In one line: what it is good for, or needs. */
  readonly about: string;
  /** How to get the credentials, before they are asked for. */
  readonly steps: readonly string[];
  /** What the secret looks like, and where it is found. */
  readonly secret: { readonly what: string; readonly shape: RegExp; readonly expected: string; readonly where: string };
  /** What to do for a test message. */
  readonly say: string;
  /** The same, where a scan made the bot with all that it needs. */
  readonly sayMade?: string | undefined;
  /** Why no message may come, likeliest first. */
  readonly causes: readonly string[];
}

/** An app's id; the SDK does nothing, silently, with any other (docs/chats/feishu.md). */
export const APP_ID = {
  shape: /^cli_[0-9a-f]{16}$/i,
  expected: 'cli_ and 16 hexadecimal digits',
  where: 'open.feishu.cn/app → your app → Credentials & Basic Info (open.larksuite.com for Lark)',
} as const;

/**
 * Shapes are wider than what platforms give out today: they find what was cut off, or is something else.
 * Sources: core.telegram.org/bots/api#authorizing-your-bot; discord.com/developers/docs/reference#authentication;
 * open.feishu.cn/document, "Get custom app's tenant_access_token".
 */
export const PLATFORM_WORDS: Readonly<Record<ChatPlatform, PlatformWords>> = {
  feishu: {
    name: 'Feishu',
    about: 'Feishu or Lark, a custom app of your company',
    steps: [
      'Open https://open.feishu.cn/app (Lark: https://open.larksuite.com/app), make a custom app of its own for Fettle, add the feature Bot and the permissions; docs/chats/feishu.md names them.',
      'Copy App ID and App Secret of Credentials & Basic Info into here. Events come after that: the console takes them only while Fettle is connected.',
    ],
    secret: {
      what: 'app secret',
      shape: /^[A-Za-z0-9]{16,64}$/,
      expected: '32 letters and digits',
      where: 'open.feishu.cn/app → your app → Credentials & Basic Info',
    },
    say: 'Is it a new app? Then, in the console now: Events & Callbacks → persistent connection for events and for callbacks, add the events of docs/chats/feishu.md, and publish a version. Then send the bot any message: find it by its name in Feishu; in a group, add it and mention it.',
    sayMade:
      'Now send the bot any message: find it by its name in Feishu; in a group, add it and mention it. Where none comes, docs/chats/feishu.md says what to look at in the console.',
    causes: [
      'Events do not come by the persistent (long) connection: Events & Callbacks → Subscription mode, for events and for callbacks; im.message.receive_v1 must be in the list.',
      'No version of the app was released after the last change: Version Management & Release.',
      'The app has no bot: Add Features → Bot.',
      'You wrote in a group that the bot is not in: group settings → Bots.',
      'You wrote in a group without mentioning the bot: @ it, or write to it directly.',
      'Another program is connected with the same app, and got the message instead.',
    ],
  },
  discord: {
    name: 'Discord',
    about: 'a bot in your server, with slash commands',
    steps: [
      'Open https://discord.com/developers/applications, New Application, then Bot → Reset Token. No privileged intent is needed.',
      'OAuth2 → URL Generator: scopes bot and applications.commands; permissions View Channels, Send Messages, Send Messages in Threads, Embed Links, Read Message History. Open the address that it makes, and choose your server.',
    ],
    secret: {
      what: 'token',
      shape: /^[\w-]{10,}\.[\w-]{3,}\.[\w-]{10,}$/,
      expected:
        "the bot's token: three parts with dots between them, 60 characters or more (not the application's id, public key or client secret)",
      where: 'discord.com/developers/applications → your application → Bot → Reset Token',
    },
    say: 'Write to the bot: mention it in a channel, send it a direct message, or type /update.',
    causes: [
      'The bot was not invited with both scopes, bot and applications.commands: OAuth2 → URL Generator, and open the new address.',
      'It may not see the channel or write there: channel settings → Permissions → View Channel, Send Messages.',
      'You did not mention it: in a channel it reads only what mentions it, and its slash commands.',
      'It was invited to another server than the one you wrote in; or `guilds` of fettle.yaml does not name that server.',
    ],
  },
  telegram: {
    name: 'Telegram',
    about: 'a bot made in a minute',
    steps: ['In Telegram, write /newbot to @BotFather. It asks for a name, and answers with a token.'],
    secret: {
      what: 'token',
      shape: /^\d{3,20}:[\w-]{20,80}$/,
      expected: 'digits, a colon and 35 letters and digits, such as 123456789:AA…',
      where: '@BotFather → /mybots → your bot → API Token',
    },
    say: 'Send the bot any message: open it in Telegram and press Start.',
    causes: [
      'Privacy mode is on, so that it reads only commands in groups: write to it directly, or @BotFather → /setprivacy → Disable, and add it to the group again.',
      'Another program polls with the same token, and got the message instead: stop it, or make a bot of its own for Fettle.',
      'You wrote to another bot.',
    ],
  },
};
