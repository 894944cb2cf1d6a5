import type { Language, MenuCommand, Request } from '../../src/chat/contract.ts';
import { commandOfButton } from './buttons.ts';
import { lineOf } from './commands.ts';
import type { InteractionPayload, MessagePayload } from './payloads.ts';

/** From Discord's events to requests. */

export const PLATFORM = 'discord';
/** Receiving and Responding: "Interaction tokens are valid for 15 minutes"; a minute less, so that none dies on its way. */
const TOKEN_MS = 14 * 60_000;

const KIND = { command: 2, button: 3, completion: 4 } as const;
/** Resources, Channel: a direct message between two. */
const DIRECT = 1;
/** Resources, Message: an ordinary one, and a reply. */
const WRITTEN: readonly number[] = [0, 19];

/**
 * A message as a request; `undefined` where it is not for this bot: nobody mentions it, or another bot wrote it.
 *
 * @param guilds those that are served; `undefined`: all
 */
export function requestOfMessage(
  message: MessagePayload,
  bot: string,
  guilds: readonly string[] | undefined,
): Request | undefined {
  const { author, guild_id: guild } = message;
  if (author.bot || message.webhook_id !== undefined || !WRITTEN.includes(message.type)) return undefined;
  const direct = guild === undefined || guild === null;
  if (!direct && guilds && !guilds.includes(guild)) return undefined;
  // A reply to the bot mentions it without the words.
  if (!direct && !message.mentions.some(({ id }) => id === bot)) return undefined;
  const text = message.content.replaceAll(`<@${bot}>`, ' ').replaceAll(`<@!${bot}>`, ' ').replace(/ {2,}/g, ' ').trim();
  return {
    route: { platform: PLATFORM, chat: message.channel_id, message: message.id },
    eventId: message.id,
    at: timeOf(message.id),
    person: author.id,
    personName: message.member?.nick ?? author.global_name ?? author.username,
    text,
    direct,
  };
}

/** A slash command or a press as a request; `undefined` for everything else. */
export async function requestOfInteraction(
  interaction: InteractionPayload,
  options: {
    readonly commands: readonly MenuCommand[];
    readonly guilds: readonly string[] | undefined;
    readonly expand: (name: string) => Promise<string | undefined>;
    readonly now: number;
  },
): Promise<Request | undefined> {
  const { id, data, type, guild_id: guild } = interaction;
  const chat = interaction.channel?.id ?? interaction.channel_id;
  const person = interaction.member?.user ?? interaction.user;
  if (chat === undefined || !person || !data) return undefined;
  if (guild && options.guilds && !options.guilds.includes(guild)) return undefined;
  const locale = languageOf(interaction.locale);
  const common = {
    eventId: id,
    at: timeOf(id),
    person: person.id,
    personName: interaction.member?.nick ?? person.global_name ?? person.username,
    ...(locale === undefined ? {} : { locale }),
    direct: !guild && (interaction.channel === undefined || interaction.channel.type === DIRECT),
  };
  if (type === KIND.command && data.name !== undefined) {
    const route = { platform: PLATFORM, chat, message: deferredOf(interaction, options.now) };
    return { ...common, route, text: lineOf({ name: data.name, options: data.options }, options.commands) };
  }
  if (type === KIND.button && data.custom_id !== undefined) {
    const command = await commandOfButton(data.custom_id, options.expand);
    const route = { platform: PLATFORM, chat, ...(interaction.message ? { message: interaction.message.id } : {}) };
    return { ...common, route, text: command ?? '', ...(command === undefined ? { unknownButton: true } : {}) };
  }
  return undefined;
}

export const isCompletion = ({ type }: InteractionPayload) => type === KIND.completion;
export const isCommand = ({ type }: InteractionPayload) => type === KIND.command;

/** The reply that was promised with an interaction, as a route keeps it: a restarted hub fills it too. */
export interface Deferred {
  readonly interaction: string;
  readonly token: string;
}

function deferredOf({ id, token }: InteractionPayload, now: number): string {
  return `interaction:${id}:${now}:${token}`;
}

/** The promised reply of a route, while its token lives. */
export function livingDeferred(message: string | undefined, now: number): Deferred | undefined {
  const [, interaction, at, token] = /^interaction:(\d+):(\d+):(.+)$/.exec(message ?? '') ?? [];
  if (interaction === undefined || token === undefined) return undefined;
  const age = now - Number(at);
  return age >= -TOKEN_MS && age < TOKEN_MS ? { interaction, token } : undefined;
}

/** Reference, Snowflakes: milliseconds since the first second of 2015, and 22 bits. */
export function timeOf(snowflake: string): number | undefined {
  return /^\d{15,20}$/.test(snowflake) ? Number((BigInt(snowflake) >> 22n) + 1_420_070_400_000n) : undefined;
}

/** The message of a route that a reply refers to. */
export function referenceOf(message: string | undefined): string | undefined {
  return message !== undefined && /^\d+$/.test(message) ? message : undefined;
}

function languageOf(locale: string | undefined): Language | undefined {
  if (locale?.startsWith('zh')) return 'zh';
  return locale?.startsWith('en') ? 'en' : undefined;
}
