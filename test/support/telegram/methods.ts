import { type Chats, chatJson, type InlineButton, personJson, type StoredMessage } from './chats.ts';
import { detect, type Marked, parseHtml, trimmed } from './markup.ts';
import { badRequest, Refusal } from './refusal.ts';
import type { Updates } from './updates.ts';

/**
 * The methods of the Bot API that Fettle may call, as strict as the real ones (core.telegram.org/bots/api, and the
 * words of telegram-bot-api's Client.cpp). Stricter in one thing: parameters that are not known here are refused,
 * where the real server passes over them, so that a misspelt one is seen.
 */

/** A form's values are all texts; what JSON makes of them is taken as well. */
export type Parameters = Readonly<Record<string, unknown>>;

export interface Bot {
  readonly id: number;
  readonly username: string;
  readonly name: string;
}

export interface Commands {
  readonly scope: string;
  readonly language: string;
  readonly commands: readonly { readonly command: string; readonly description: string }[];
}

export interface MethodsDeps {
  readonly bot: Bot;
  readonly chats: Chats;
  readonly updates: Updates;
  readonly now: () => number;
  readonly note: (line: string) => void;
}

/** Telegram shows 4096 characters of a message; here they are counted the strictest way, in UTF-16 code units. */
const MAX_TEXT = 4_096;

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  getMe: [],
  getWebhookInfo: [],
  deleteWebhook: ['drop_pending_updates'],
  getUpdates: ['offset', 'limit', 'timeout', 'allowed_updates'],
  sendMessage: [
    'chat_id',
    'message_thread_id',
    'text',
    'parse_mode',
    'entities',
    'link_preview_options',
    'disable_notification',
    'protect_content',
    'reply_parameters',
    'reply_markup',
  ],
  editMessageText: ['chat_id', 'message_id', 'text', 'parse_mode', 'entities', 'link_preview_options', 'reply_markup'],
  editMessageCaption: ['chat_id', 'message_id', 'caption', 'parse_mode', 'reply_markup'],
  answerCallbackQuery: ['callback_query_id', 'text', 'show_alert', 'cache_time'],
  setMyCommands: ['commands', 'scope', 'language_code'],
};

export interface Methods {
  /** @throws {Refusal} as the real server says it */
  call(method: string, parameters: Parameters): unknown;
  /** Commands by scope and language. */
  registered(): readonly Commands[];
  /** A press that waits for its answer. */
  expectAnswer(queryId: string): void;
  /** Presses that were answered. */
  answered(): ReadonlySet<string>;
  /** From now on no text with HTML is good enough. */
  refuseMarkup(on: boolean): void;
}

export function createMethods({ bot, chats, updates, now, note }: MethodsDeps): Methods {
  const registered = new Map<string, Commands>();
  const queries = new Set<string>();
  const answered = new Set<string>();
  let markupRefused = false;

  function textOf(parameters: Parameters): Marked {
    const { text, parse_mode: mode } = parameters;
    if (typeof text !== 'string') throw badRequest('message text is empty');
    if (mode !== undefined && mode !== 'HTML') throw badRequest('unsupported parse_mode');
    if (mode === 'HTML' && markupRefused) throw badRequest("can't parse entities: refused by the test");
    const marked = mode === 'HTML' ? parseHtml(text) : trimmed({ text, entities: [] });
    if (marked.text === '') throw badRequest('message text is empty');
    if (marked.text.length > MAX_TEXT) throw badRequest('message is too long');
    const covered = (at: number) =>
      marked.entities.some(
        (one) => ['code', 'pre'].includes(one.type) && at >= one.offset && at < one.offset + one.length,
      );
    // "no more than 100 entities": what is above is not shown.
    const own = marked.entities.slice(0, 100);
    return { text: marked.text, entities: [...own, ...detect(marked.text).filter(({ offset }) => !covered(offset))] };
  }

  function buttonsOf(raw: unknown): InlineButton[][] {
    const markup = json(raw);
    if (markup === undefined) return [];
    const rows = (markup as { inline_keyboard?: unknown }).inline_keyboard;
    if (!Array.isArray(rows)) throw badRequest('object expected as reply markup');
    const made = rows.map((row: unknown) => {
      if (!Array.isArray(row))
        throw badRequest('field "inline_keyboard" of the InlineKeyboardMarkup should be an Array of Arrays');
      if (row.length > 8) throw badRequest('REPLY_MARKUP_TOO_LONG');
      return row.map(buttonOf);
    });
    if (made.flat().length > 100) throw badRequest('REPLY_MARKUP_TOO_LONG');
    return made.filter((row) => row.length > 0);
  }

  function send(parameters: Parameters): unknown {
    const chat = chats.writable(parameters.chat_id);
    const marked = textOf(parameters);
    const buttons = buttonsOf(parameters.reply_markup);
    const thread = optionalNumber(parameters.message_thread_id);
    if (thread !== undefined && !chat.topics.has(thread)) throw badRequest('message thread not found');
    const reply = json(parameters.reply_parameters) as Parameters | undefined;
    let replyTo = optionalNumber(reply?.message_id);
    if (replyTo !== undefined && !chat.messages.has(replyTo)) {
      if (reply?.allow_sending_without_reply !== true) throw badRequest('message to be replied not found');
      replyTo = undefined;
    }
    const silent = parameters.disable_notification === true || parameters.disable_notification === 'true';
    const message = chats.put(chat, { ...marked, buttons, thread, replyTo, silent });
    note(`bot → ${chat.title}${thread === undefined ? '' : ` (topic ${thread})`}: ${shownText(message)}`);
    return messageJson(message, bot);
  }

  /** The bot's own message that is meant. */
  function editable(parameters: Parameters): StoredMessage {
    const chat = chats.writable(parameters.chat_id);
    const id = optionalNumber(parameters.message_id);
    if (id === undefined || id <= 0) throw badRequest('message identifier is not specified');
    const message = chat.messages.get(id);
    if (!message) throw badRequest('message to edit not found');
    if (message.from) throw badRequest("message can't be edited");
    return message;
  }

  function edit(parameters: Parameters): unknown {
    const message = editable(parameters);
    const marked = textOf(parameters);
    const buttons = buttonsOf(parameters.reply_markup);
    const same =
      message.text === marked.text &&
      JSON.stringify(message.entities) === JSON.stringify(marked.entities) &&
      JSON.stringify(message.buttons) === JSON.stringify(buttons);
    if (same) {
      throw badRequest(
        'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      );
    }
    message.earlier.push(message.text);
    Object.assign(message, { text: marked.text, entities: marked.entities, buttons, editedAt: now() });
    note(`bot edits in ${message.chat.title}: ${shownText(message)}`);
    return messageJson(message, bot);
  }

  const METHODS: Readonly<Record<string, (parameters: Parameters) => unknown>> = {
    getMe: () => ({
      id: bot.id,
      is_bot: true,
      first_name: bot.name,
      username: bot.username,
      can_join_groups: true,
      can_read_all_group_messages: false,
      supports_inline_queries: false,
    }),
    getWebhookInfo: () => ({ url: updates.webhookUrl, has_custom_certificate: false, pending_update_count: 0 }),
    deleteWebhook: () => {
      updates.webhook('');
      return true;
    },
    sendMessage: send,
    editMessageText: edit,
    // TDLib's `edit_message_caption`: is it there, may it be edited, can such a message have a caption.
    editMessageCaption: (parameters) => {
      editable(parameters);
      throw badRequest('there is no caption in the message to edit');
    },
    answerCallbackQuery: (parameters) => {
      const id = String(parameters.callback_query_id);
      if (!queries.delete(id)) {
        throw badRequest('query is too old and response timeout expired or query ID is invalid');
      }
      if (String(parameters.text ?? '').length > 200) throw badRequest('MESSAGE_TOO_LONG');
      answered.add(id);
      return true;
    },
    setMyCommands: (parameters) => {
      const commands = commandsOf(json(parameters.commands));
      const scope = (json(parameters.scope) as { type?: string } | undefined)?.type ?? 'default';
      if (!['default', 'all_private_chats', 'all_group_chats', 'all_chat_administrators'].includes(scope)) {
        throw badRequest("can't parse BotCommandScope");
      }
      const language = String(parameters.language_code ?? '');
      if (language !== '' && !/^[a-z]{2}$/.test(language)) throw badRequest('invalid language code specified');
      registered.set(`${scope} ${language}`, { scope, language, commands });
      return true;
    },
  };

  return {
    call(method, parameters) {
      const run = METHODS[method];
      if (!run) throw new Refusal(404, 'Not Found: method not found');
      checkNames(method, parameters);
      return run(parameters);
    },
    registered: () => [...registered.values()],
    expectAnswer: (id) => void queries.add(id),
    answered: () => answered,
    refuseMarkup(on) {
      markupRefused = on;
    },
  };
}

/** @throws {Refusal} for a parameter that no such method has */
export function checkNames(method: string, parameters: Parameters): void {
  const unknown = Object.keys(parameters).filter((name) => !KNOWN[method]?.includes(name));
  if (unknown.length > 0) throw badRequest(`${method} has no parameter ${unknown.join(', ')}`);
}

function buttonOf(raw: unknown): InlineButton {
  const { text, callback_data: data, style, ...more } = raw as Record<string, unknown>;
  if (typeof text !== 'string' || text.trim() === '')
    throw badRequest('text buttons are unallowed in the inline keyboard');
  if (typeof data !== 'string' || Object.keys(more).length > 0) {
    throw badRequest('text buttons are unallowed in the inline keyboard');
  }
  const bytes = Buffer.byteLength(data);
  if (bytes < 1 || bytes > 64) throw badRequest('BUTTON_DATA_INVALID');
  if (style !== undefined && !['danger', 'success', 'primary'].includes(String(style))) {
    throw badRequest("can't parse inline keyboard button: invalid button style specified");
  }
  return { text, callback_data: data, ...(style === undefined ? {} : { style: String(style) }) };
}

/** #botcommand: 1-32 of lower-case letters, digits and underscores; 1-256 characters; at most 100. */
function commandsOf(raw: unknown): Commands['commands'] {
  if (!Array.isArray(raw)) throw badRequest("can't parse commands list");
  if (raw.length > 100) throw badRequest('BOT_COMMANDS_TOO_MUCH');
  return raw.map((one: Record<string, unknown>) => {
    const command = String(one.command ?? '');
    const description = String(one.description ?? '');
    if (!/^[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID');
    if (description.trim() === '' || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID');
    return { command, description };
  });
}

export function optionalNumber(raw: unknown): number | undefined {
  const value = typeof raw === 'string' && /^-?\d+$/.test(raw) ? Number(raw) : raw;
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
}

/** Objects come as themselves in JSON and as their text in forms. */
function json(raw: unknown): unknown {
  if (raw === undefined || raw === '') return undefined;
  if (typeof raw !== 'string') return raw;
  try {
    return JSON.parse(raw);
  } catch {
    throw badRequest("can't parse JSON object");
  }
}

function shownText(message: StoredMessage): string {
  const buttons = message.buttons.flat().map(({ text }) => `[${text}]`);
  return [message.text, ...(buttons.length > 0 ? [buttons.join(' ')] : [])].join('\n');
}

/** A message as updates and answers have it (#message). */
export function messageJson(message: StoredMessage, bot: Bot, language?: string): Record<string, unknown> {
  const { chat, from, thread, replyTo } = message;
  const replied = replyTo === undefined ? undefined : chat.messages.get(replyTo);
  return {
    message_id: message.id,
    from: from
      ? personJson(from, language)
      : { id: bot.id, is_bot: true, first_name: bot.name, username: bot.username },
    chat: chatJson(chat),
    date: Math.floor(message.createdAt / 1_000),
    ...(message.editedAt === undefined ? {} : { edit_date: Math.floor(message.editedAt / 1_000) }),
    ...(thread === undefined ? {} : { message_thread_id: thread, is_topic_message: true }),
    ...(replied ? { reply_to_message: messageJson({ ...replied, replyTo: undefined }, bot) } : {}),
    text: message.text,
    ...(message.entities.length > 0 ? { entities: message.entities } : {}),
    ...(message.buttons.length > 0 ? { reply_markup: { inline_keyboard: message.buttons } } : {}),
  };
}
