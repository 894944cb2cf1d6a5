import { z } from 'zod';

/** What Discord tells, as far as it is used. Parsed once, here; what is not understood is nobody's event. */

const Id = z.string().regex(/^\d{1,21}$/);

const UserSchema = z.object({
  id: Id,
  username: z.string(),
  global_name: z.string().nullish(),
  bot: z.boolean().optional(),
});

const MemberSchema = z.object({ user: UserSchema.optional(), nick: z.string().nullish() });

export interface OptionPayload {
  readonly name: string;
  readonly type: number;
  readonly value?: string | number | boolean | undefined;
  readonly focused?: boolean | undefined;
  readonly options?: readonly OptionPayload[] | undefined;
}

const OptionSchema: z.ZodType<OptionPayload> = z.lazy(() =>
  z.object({
    name: z.string(),
    type: z.number(),
    value: z.union([z.string(), z.number(), z.boolean()]).optional(),
    focused: z.boolean().optional(),
    options: z.array(OptionSchema).optional(),
  }),
);

/** Interactions, Receiving and Responding, "Interaction Object". */
export const InteractionSchema = z.object({
  id: Id,
  application_id: Id,
  /** 2 command, 3 button, 4 completion. */
  type: z.number(),
  token: z.string().min(1),
  data: z
    .object({
      name: z.string().optional(),
      options: z.array(OptionSchema).optional(),
      custom_id: z.string().optional(),
    })
    .optional(),
  guild_id: Id.nullish(),
  channel_id: Id.optional(),
  channel: z.object({ id: Id, type: z.number() }).optional(),
  member: MemberSchema.optional(),
  user: UserSchema.optional(),
  message: z.object({ id: Id }).optional(),
  locale: z.string().optional(),
});
export type InteractionPayload = z.output<typeof InteractionSchema>;

/** Resources, Message, "Message Object", as MESSAGE_CREATE has it. */
export const MessageSchema = z.object({
  id: Id,
  type: z.number().default(0),
  channel_id: Id,
  guild_id: Id.nullish(),
  author: UserSchema,
  member: MemberSchema.optional(),
  webhook_id: Id.optional(),
  content: z.string().default(''),
  mentions: z.array(z.object({ id: Id })).default([]),
});
export type MessagePayload = z.output<typeof MessageSchema>;

/** Topics, Gateway Events, "Ready". */
export const ReadySchema = z.object({
  user: z.object({ id: Id, username: z.string() }),
  application: z.object({ id: Id }),
});

/** Topics, Gateway Events, "Guild Delete". */
export const GuildDeleteSchema = z.object({ id: Id, unavailable: z.boolean().optional() });

export const GatewayBotSchema = z.object({
  url: z.string().regex(/^wss?:\/\//),
  session_start_limit: z.object({ remaining: z.number(), reset_after: z.number() }),
});

/** A message as the API shows it: in answer to who sent it, or in a list. */
export const SentSchema = z.object({
  id: Id,
  channel_id: Id,
  author: z.object({ id: Id }).optional(),
  content: z.string().default(''),
  nonce: z.union([z.string(), z.number()]).nullish(),
  flags: z.number().default(0),
  embeds: z.array(z.object({ description: z.string().optional() })).default([]),
  timestamp: z.string().optional(),
  message_reference: z.object({ message_id: Id.optional() }).nullish(),
  interaction_metadata: z.object({ id: Id }).nullish(),
});
export type Sent = z.output<typeof SentSchema>;

/** What was remembered, perhaps damaged; a schema judges it. */
export function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
