import { z } from 'zod';
import type { Language, Request } from '../../src/chat/contract.ts';
import { type ButtonData, readButton } from './buttons.ts';
import type { CommandReader } from './commands.ts';

/** Updates of the Bot API (https://core.telegram.org/bots/api#update), of which no more is read than is used. */

const User = z.looseObject({
  id: z.number(),
  is_bot: z.boolean(),
  first_name: z.string().default(''),
  last_name: z.string().optional(),
  language_code: z.string().optional(),
});
const Chat = z.looseObject({ id: z.number(), type: z.string() });
const Entity = z.looseObject({
  type: z.string(),
  offset: z.number(),
  length: z.number(),
  user: z.looseObject({ id: z.number() }).optional(),
});
const Message = z.looseObject({
  message_id: z.number(),
  date: z.number().optional().catch(undefined),
  message_thread_id: z.number().optional(),
  is_topic_message: z.boolean().optional(),
  from: User.optional(),
  sender_chat: z.looseObject({ id: z.number(), title: z.string().optional() }).optional(),
  chat: Chat,
  text: z.string().optional(),
  entities: z.array(Entity).optional(),
  caption: z.string().optional(),
  caption_entities: z.array(Entity).optional(),
  reply_to_message: z
    .looseObject({ from: User.optional(), forum_topic_created: z.unknown().optional() })
    .optional()
    .catch(undefined),
  migrate_to_chat_id: z.number().optional(),
  forward_origin: z.unknown().optional(),
  forward_date: z.unknown().optional(),
  via_bot: z.unknown().optional(),
});
type Message = z.output<typeof Message>;
const CallbackQuery = z.looseObject({
  id: z.string(),
  from: User,
  // Of a message that is too old or was deleted, no more than its place is told (#inaccessiblemessage).
  message: Message.optional(),
  data: z.string().optional(),
});
const MemberUpdate = z.looseObject({ chat: Chat, new_chat_member: z.looseObject({ status: z.string() }) });
export const Update = z.looseObject({
  update_id: z.number().int(),
  message: Message.optional(),
  callback_query: CallbackQuery.optional(),
  my_chat_member: MemberUpdate.optional(),
});
export type Update = z.output<typeof Update>;

/** Of these kinds Telegram tells. */
export const ALLOWED_UPDATES = ['message', 'callback_query', 'my_chat_member'] as const;

/** The bot (#getme). */
export const Me = z.looseObject({ id: z.number(), username: z.string() });
export type Me = Readonly<z.output<typeof Me>>;

export const PLATFORM = 'telegram';

/** What an update means. `press` needs its button looked up first; `nothing` is confirmed and forgotten. */
export type Event =
  | { readonly kind: 'request'; readonly request: Request; readonly messageId: number }
  | { readonly kind: 'press'; readonly request: Request; readonly queryId: string; readonly button: ButtonData }
  /** A press on something that is in no chat. */
  | { readonly kind: 'stray-press'; readonly queryId: string }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | { readonly kind: 'standing'; readonly chat: string; readonly status: string }
  | { readonly kind: 'nothing' };

export function readEvent(update: Update, me: Me, reader: CommandReader): Event {
  const { message, callback_query: press, my_chat_member: standing } = update;
  if (standing) return { kind: 'standing', chat: String(standing.chat.id), status: standing.new_chat_member.status };
  if (press) {
    if (!press.message) return { kind: 'stray-press', queryId: press.id };
    const button = readButton(press.data);
    const request = { ...requestOf(update, press.message, press.from), text: '' };
    return { kind: 'press', request, queryId: press.id, button };
  }
  if (!message) return { kind: 'nothing' };
  if (message.migrate_to_chat_id !== undefined) {
    return { kind: 'moved', from: String(message.chat.id), to: String(message.migrate_to_chat_id) };
  }
  const text = addressedText(message, me, reader);
  const from = message.from;
  if (text === undefined || !from || message.chat.type === 'channel') return { kind: 'nothing' };
  // Somebody else's words: who passes them on did not give that command.
  if (isPassedOn(message)) return { kind: 'nothing' };
  // Bots answer nobody who is a bot: two of them would never end. An admin who writes as the group itself comes as one.
  if (from.is_bot && !message.sender_chat) return { kind: 'nothing' };
  return { kind: 'request', request: { ...requestOf(update, message, from), text }, messageId: message.message_id };
}

/** Forwarded, from a channel that the group belongs to, or made by another bot in line (#message). */
function isPassedOn({ forward_origin: origin, forward_date: date, via_bot: bot }: Message): boolean {
  return origin !== undefined || date !== undefined || bot !== undefined;
}

function requestOf(update: Update, message: Message, from: z.output<typeof User>): Omit<Request, 'text'> {
  const { chat, message_thread_id: thread, is_topic_message: inTopic } = message;
  // Who writes as a group or channel is nobody in particular: Telegram does not say who it was.
  const as = update.message?.sender_chat;
  const name = as ? as.title : [from.first_name, from.last_name].filter(Boolean).join(' ');
  const locale = localeOf(from.language_code);
  return {
    eventId: String(update.update_id),
    // Seconds. A press says nothing of its time: the date is its message's. Telegram keeps neither longer than a day.
    ...(update.message?.date === undefined ? {} : { at: update.message.date * 1_000 }),
    route: {
      platform: PLATFORM,
      chat: String(chat.id),
      // Replies in ordinary groups have a thread's number as well, which can't be written to.
      ...(inTopic && thread !== undefined ? { thread: String(thread) } : {}),
      message: String(message.message_id),
    },
    person: as ? `chat${as.id}` : String(from.id),
    ...(name ? { personName: name } : {}),
    ...(locale ? { locale } : {}),
    direct: chat.type === 'private',
  };
}

/** Languages that Fettle has no words in: the hub's own. */
function localeOf(code: string | undefined): Language | undefined {
  const language = code?.toLowerCase().split('-')[0];
  return language === 'zh' || language === 'en' ? language : undefined;
}

/** What was said to the bot, without its name; `undefined`: it was not said to it. */
function addressedText(message: Message, me: Me, reader: CommandReader): string | undefined {
  const text = message.text ?? message.caption;
  if (text === undefined) return undefined;
  const own = `@${me.username.toLowerCase()}`;
  const entities = message.entities ?? message.caption_entities ?? [];
  const isOwn = ({ type, offset, length, user }: z.output<typeof Entity>) =>
    (type === 'mention' && text.slice(offset, offset + length).toLowerCase() === own) ||
    (type === 'text_mention' && user?.id === me.id);
  const mentions = entities.filter(isOwn);
  let rest = text;
  // From the end, so that the places of the others stay right.
  for (const entity of entities.toSorted((a, b) => b.offset - a.offset)) {
    const [before, after] = [rest.slice(0, entity.offset), rest.slice(entity.offset + entity.length)];
    if (isOwn(entity)) rest = `${before.trimEnd()} ${after.trimStart()}`;
    // Who has no user name is mentioned by a name of their own choice, which could be words of a command.
    else if (entity.type === 'text_mention' && entity.user) rest = `${before}${PLATFORM}:${entity.user.id}${after}`;
  }
  rest = rest.trim();
  if (message.chat.type !== 'private') {
    const addressee = reader.addressee(rest);
    const replied = message.reply_to_message;
    // In a topic, every message replies to the one that made the topic.
    const toUs = replied?.from?.id === me.id && replied.forum_topic_created === undefined;
    if (addressee === 'another') return undefined;
    if ((addressee === undefined || addressee === 'unknown') && mentions.length === 0 && !toUs) return undefined;
  }
  return reader.read(rest);
}
