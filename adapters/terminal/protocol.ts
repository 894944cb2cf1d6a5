import { z } from 'zod';
import { LANGUAGES, type Reply } from '../../src/chat/contract.ts';

/**
 * What the terminal's two sides say to each other on the hub's socket: one JSON object a line. The client may be
 * older or newer than the hub (a hub is updated while a chat is open), so changes are additive, and a message that
 * one side does not know is passed over.
 */

/** Longest line from a client. */
export const MAX_CLIENT_LINE = 64 * 1024;
/** Longest line from the hub: a reply with a log in it. */
export const MAX_HUB_LINE = 1024 * 1024;

const id = z.string().min(1).max(120);

/**
 * `chat` takes everything of the terminal's chat; `say` takes answers to its own requests only.
 */
export const ClientMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    client: id,
    mode: z.enum(['chat', 'say']),
    language: z.enum(LANGUAGES).optional(),
  }),
  /** Sent again with the same id until its final answer has come. */
  z.object({ type: z.literal('request'), eventId: id, text: z.string().max(16_000) }),
  /** The message was shown. */
  z.object({ type: z.literal('ack'), key: z.string().max(300) }),
  z.object({ type: z.literal('complete'), id, text: z.string().max(2_000) }),
  z.object({ type: z.literal('status'), id }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

const text = z.string();
const texts = z.array(text);

/** A reply as it comes over the socket; parts that a newer hub adds are dropped. */
export const ReplySchema = z.object({
  tone: z.enum(['info', 'busy', 'good', 'warn', 'bad']).catch('info'),
  title: text,
  text: texts.optional(),
  fields: z.array(z.object({ name: text, value: text })).optional(),
  table: z.object({ columns: texts, rows: z.array(texts) }).optional(),
  progress: z
    .object({
      label: text,
      step: z.number(),
      steps: z.number(),
      done: z.number().optional(),
      total: z.number().optional(),
      detail: text.optional(),
    })
    .optional(),
  code: text.optional(),
  buttons: z
    .array(
      z.object({
        label: text,
        command: text,
        style: z.enum(['primary', 'danger', 'plain']).optional().catch(undefined),
      }),
    )
    .optional(),
  hints: texts.optional(),
}) satisfies z.ZodType<Reply>;

/** What `fettle up` waits on. */
export const HubStatus = z.object({
  version: text,
  pid: z.number(),
  /** All there is to do before the first command makes sense has been done. */
  ready: z.boolean(),
  /** What is being waited for, a line each. */
  waitingFor: texts,
  /** What did not work and is not waited for, a line each. */
  problems: texts.optional(),
  /** The chats that are configured. */
  chats: z
    .array(
      z.object({
        platform: text,
        state: z.enum(['connected', 'connecting', 'unattended', 'failed', 'stopped']).catch('connecting'),
        /** Milliseconds since 1970. */
        since: z.number(),
        lastError: text.optional(),
        problem: z
          .object({
            code: text,
            data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), texts.readonly()]).optional()),
          })
          .optional(),
        /** Who wrote last, within a day. */
        heard: z
          .object({ person: text, name: text.optional(), chat: text, direct: z.boolean().optional(), at: z.number() })
          .optional(),
        /** Chats in which answers of the last day could not be given, and nothing since. */
        lost: z.array(z.object({ chat: text, times: z.number(), reason: text, at: z.number() })).optional(),
      }),
    )
    .optional(),
  /** There are chats, and none of their people is an admin. */
  unclaimed: z.boolean().optional(),
  apps: z.array(
    z.object({
      app: text,
      version: text.optional(),
      health: z.enum(['healthy', 'ill', 'stopped', 'unknown']),
      address: text.optional(),
    }),
  ),
});
export type HubStatus = z.infer<typeof HubStatus>;

const shown = {
  key: text,
  ref: text,
  reply: ReplySchema,
  answers: text.optional(),
  final: z.boolean(),
  failed: z.boolean(),
};

export const HubMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), ...shown }),
  z.object({ type: z.literal('edit'), ...shown }),
  /** The request is stored: the answer will come, whatever happens. */
  z.object({ type: z.literal('accepted'), eventId: text }),
  z.object({ type: z.literal('completions'), id: text, completions: texts }),
  z.object({ type: z.literal('status'), id: text, status: HubStatus }),
]);
export type HubMessage = z.infer<typeof HubMessage>;
/** A message or an edit. */
export type Shown = Extract<HubMessage, { type: 'message' | 'edit' }>;
