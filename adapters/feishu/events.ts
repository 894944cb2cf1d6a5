import { z } from 'zod';
import type { MenuCommand } from '../../src/chat/contract.ts';
import type { ButtonValue } from './card.ts';

/** Feishu's events, as the SDK hands them to a handler: header and event in one object. */

const Id = z.object({ open_id: z.string().min(1) });
const Mention = z.object({
  key: z.string().min(1),
  id: z.object({ open_id: z.string().optional() }),
  name: z.string().default(''),
});

/** Milliseconds; in some events' headers microseconds ("Card callback", "Event structure"). One that is none is left out. */
const Time = z.coerce
  .number()
  .positive()
  .transform((time) => Math.floor(time > 1e14 ? time / 1_000 : time))
  .optional()
  .catch(undefined);

/** im.message.receive_v1 ("Receive message"). */
export const MessageEvent = z.object({
  sender: z.object({ sender_id: Id, sender_type: z.string() }),
  message: z.object({
    message_id: z.string().min(1),
    create_time: Time,
    chat_id: z.string().min(1),
    chat_type: z.string(),
    thread_id: z.string().optional(),
    message_type: z.string(),
    content: z.string(),
    mentions: z.array(Mention).default([]),
  }),
});
export type MessageEvent = z.output<typeof MessageEvent>;

/** card.action.trigger ("Card callback"). */
export const PressEvent = z.object({
  event_id: z.string().min(1),
  create_time: Time,
  operator: Id,
  action: z.object({ value: z.unknown().optional() }),
  context: z.object({ open_message_id: z.string().optional(), open_chat_id: z.string().min(1) }),
});
export type PressEvent = z.output<typeof PressEvent>;

/** application.bot.menu_v6 ("Bot menu event"). */
export const MenuEvent = z.object({
  event_id: z.string().min(1),
  create_time: Time,
  operator: z.object({ operator_name: z.string().optional(), operator_id: Id }),
  event_key: z.string(),
});
export type MenuEvent = z.output<typeof MenuEvent>;

const Text = z.object({ text: z.string() });
const Post = z.object({
  title: z.string().default(''),
  content: z.array(
    z.array(z.looseObject({ tag: z.string(), text: z.string().optional(), user_id: z.string().optional() })),
  ),
});

/**
 * What a message says to the bot, without the mentions of it; `undefined`: it says nothing that can be read, or is not
 * for the bot. `@_all` is everybody, and so nobody.
 */
export function textFor(bot: string, { message }: MessageEvent): string | undefined {
  const written = writtenIn(message.message_type, message.content);
  if (written === undefined) return undefined;
  const ours = message.mentions.filter(({ id }) => id.open_id === bot);
  if (message.chat_type !== 'p2p' && ours.length === 0) return undefined;
  if (message.mentions.length === 0) return written.replace(/[^\S\n]+/g, ' ').trim();
  const words = new Map(message.mentions.map((mention) => [mention.key, wordOf(mention, bot)]));
  // The longest key first: `@_user_1` is the beginning of `@_user_10`. In one pass: a name may look like another's key.
  const keys = [...words.keys()].sort((a, b) => b.length - a.length).map((key) => key.replace(/\W/g, '\\$&'));
  const text = written.replace(new RegExp(keys.join('|'), 'g'), (key) => words.get(key) ?? '');
  return text.replace(/[^\S\n]+/g, ' ').trim();
}

/**
 * A mention within a command. Somebody else is one word, the id: names are chosen by those who bear them, and one such as
 * `Eve admin` would be read as part of the command of whoever mentions her.
 */
function wordOf({ id, name }: z.output<typeof Mention>, bot: string): string {
  if (id.open_id === bot) return ' ';
  return id.open_id ? `feishu:${id.open_id}` : `@${name.replace(/[^\p{L}\p{N}.-]+/gu, '_')}`;
}

function writtenIn(type: string, content: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (type === 'text') {
    const parsed = Text.safeParse(json);
    return parsed.success ? parsed.data.text : undefined;
  }
  if (type !== 'post') return undefined;
  const parsed = Post.safeParse(json);
  if (!parsed.success) return undefined;
  const lines = parsed.data.content.map((line) =>
    line.map(({ tag, text, user_id }) => (tag === 'at' ? (user_id ?? '') : (text ?? ''))).join(''),
  );
  return [parsed.data.title, ...lines].filter((line) => line.trim() !== '').join('\n');
}

const Value = z.union([
  z.object({ command: z.string().min(1).max(4_000) }),
  z.object({ name: z.string().regex(/^[\w-]{1,64}$/) }),
]);

/** What a pressed button carries; `undefined`: it is none of ours. */
export function buttonValue(value: unknown): ButtonValue | undefined {
  const parsed = Value.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** An entry of the bot's menu: its key is a command (`update_now`, `/update now`), or words that mean one. */
export function menuText(key: string, commands: readonly MenuCommand[]): string {
  const words = key.trim().replace(/^\//, '').replaceAll('_', ' ').trim();
  const first = words.split(/\s+/)[0];
  const known = commands.some(({ name }) => name === words || name.split(' ')[0] === first);
  return known || key.trim().startsWith('/') ? `/${words}` : key.trim();
}
