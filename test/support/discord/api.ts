import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Call } from '../chat-platform.ts';
import { shown, shownChannel } from './objects.ts';
import { type Refusal, refuseChoices, refuseCommands, refuseMessage } from './validate.ts';
import {
  ACKNOWLEDGE_MS,
  type Channel,
  type Embed,
  FLAGS,
  type Interaction,
  type Row,
  type StoredMessage,
  TOKEN_MS,
  type World,
} from './world.ts';

/**
 * The REST API, version 10, as far as a bot that talks needs it: messages (Resources, Message), interactions
 * (Interactions, Receiving and Responding), commands (Interactions, Application Commands), who the bot is.
 */

type Kind = Call['what'];

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

interface Asked {
  readonly world: World;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
}

const UNKNOWN_CHANNEL: Refusal = { status: 404, code: 10003, message: 'Unknown Channel' };
const UNKNOWN_MESSAGE: Refusal = { status: 404, code: 10008, message: 'Unknown Message' };
const UNKNOWN_WEBHOOK: Refusal = { status: 404, code: 10015, message: 'Unknown Webhook' };
const UNKNOWN_INTERACTION: Refusal = { status: 404, code: 10062, message: 'Unknown interaction' };
const ACKNOWLEDGED: Refusal = {
  status: 400,
  code: 40060,
  message: 'Interaction has already been acknowledged.',
};
const INVALID_TOKEN: Refusal = { status: 401, code: 50027, message: 'Invalid Webhook Token' };
const MISSING_ACCESS: Refusal = { status: 403, code: 50001, message: 'Missing Access' };
const MISSING_PERMISSIONS: Refusal = { status: 403, code: 50013, message: 'Missing Permissions' };
const refused = ({ status, code, message }: Refusal): Answer => ({ status, body: { message, code } });

export interface MessageBody {
  readonly content?: string;
  readonly embeds?: readonly Embed[];
  readonly components?: readonly Row[];
  readonly flags?: number;
  readonly nonce?: string;
  readonly enforce_nonce?: boolean;
  readonly message_reference?: { readonly message_id: string; readonly fail_if_not_exists?: boolean };
}

/** Takes a request; everything is told to `onCall`. */
export async function serveApi(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly gateway: () => string; readonly onCall: (call: Omit<Call, 'at'>) => void },
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://x');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const path = url.pathname.replace(/^\/api\/v10/, '');
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const route = `${request.method} ${routeOf(parts)}`;
  let body: unknown;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch {
    body = 'unreadable';
  }
  const asked: Asked = { world, parts, query: url.searchParams, body };
  const what = kindOf(route, asked);
  const fault = what === 'send' || what === 'edit' || what === 'acknowledge' ? world.takeFault(what) : undefined;
  const told = (answered: number | 'dropped') => options.onCall({ what, name: route, answered, body });
  const drop = () => {
    told('dropped');
    request.socket.destroy();
  };
  const answer = ({ status, body: content }: Answer, headers: Readonly<Record<string, string>> = {}) => {
    told(status);
    // An answer without a body has no content type: the library would parse it.
    const type: Record<string, string> = content === undefined ? {} : { 'content-type': 'application/json' };
    response.writeHead(status, { ...type, ...headers });
    response.end(content === undefined ? undefined : JSON.stringify(content));
  };
  if (fault?.do === 'drop') return drop();
  if (fault?.do === 'delay') await delay(fault.ms);
  if (fault?.do === 'status') return answer({ status: fault.status, body: { message: 'fault', code: 0 } });
  if (fault?.do === 'rate-limit') {
    // Topics, Rate Limits, "Exceeding A Rate Limit".
    const seconds = fault.retryAfterMs / 1_000;
    const headers = {
      'retry-after': String(Math.max(1, Math.ceil(seconds))),
      'x-ratelimit-limit': '5',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset-after': String(seconds),
      'x-ratelimit-bucket': 'abcd1234',
      'x-ratelimit-scope': 'user',
    };
    const limited = { message: 'You are being rate limited.', retry_after: seconds, global: false };
    return answer({ status: 429, body: limited }, headers);
  }
  const handler = ROUTES[route];
  const open = path.startsWith('/webhooks/') || path.startsWith('/interactions/');
  const authorized = request.headers.authorization === `Bot ${world.token}` && !world.revoked;
  const json = (request.headers['content-type'] ?? '').startsWith('application/json');
  const result =
    !path.startsWith('/') || !url.pathname.startsWith('/api/v10/')
      ? { status: 404, body: { message: '404: Not Found', code: 0 } }
      : !open && !authorized
        ? { status: 401, body: { message: '401: Unauthorized', code: 0 } }
        : text !== '' && (!json || body === 'unreadable')
          ? { status: 400, body: { message: 'The request body contains invalid JSON.', code: 50109 } }
          : handler
            ? handler(asked, options)
            : { status: 404, body: { message: '404: Not Found', code: 0 } };
  if (fault?.do === 'lose-answer') return drop();
  answer(result);
}

/** `/channels/:id/messages`: ids and tokens are left out. */
function routeOf(parts: readonly string[]): string {
  const named = parts.map((part, i) => {
    const before = parts[i - 1] ?? '';
    if (/^\d{15,21}$/.test(part)) return ':id';
    const token = (parts[0] === 'interactions' || parts[0] === 'webhooks') && i === 2 && before !== '';
    return token ? ':token' : part;
  });
  return `/${named.join('/')}`;
}

const ORIGINAL = '/webhooks/:id/:token/messages/@original';

function kindOf(route: string, { world, parts }: Asked): Kind {
  if (route === 'POST /interactions/:id/:token/callback') return 'acknowledge';
  if (route === 'POST /channels/:id/messages' || route === 'POST /webhooks/:id/:token') return 'send';
  if (route === `PATCH ${ORIGINAL}`) {
    const original = interactionOf(world, parts[2])?.original;
    return original && (original.flags & FLAGS.loading) === 0 ? 'edit' : 'send';
  }
  if (route === 'PATCH /channels/:id/messages/:id') return 'edit';
  return route.startsWith('PUT /applications/') ? 'register' : 'other';
}

const ROUTES: Readonly<Record<string, (asked: Asked, options: { gateway: () => string }) => Answer>> = {
  'GET /gateway/bot': (_, { gateway }) => {
    const limit = { total: 1000, remaining: 990, reset_after: 3_600_000, max_concurrency: 1 };
    return { status: 200, body: { url: gateway(), shards: 1, session_start_limit: limit } };
  },
  'GET /users/@me': ({ world }) => ({ status: 200, body: world.bot }),
  'GET /applications/@me': ({ world }) => ({
    status: 200,
    body: { ...world.application, name: 'Fettle', bot: world.bot },
  }),
  'GET /users/@me/guilds': ({ world }) => {
    const guilds = world.kicked ? [] : [{ ...world.guild, owner: false, permissions: world.permissions.toString() }];
    return { status: 200, body: guilds };
  },
  'GET /applications/:id/commands': (asked) => commandsAt(asked, 'global'),
  'GET /applications/:id/guilds/:id/commands': (asked) => commandsAt(asked, asked.parts[3] ?? ''),
  'PUT /applications/:id/commands': (asked) => putCommands(asked, 'global'),
  'PUT /applications/:id/guilds/:id/commands': (asked) => putCommands(asked, asked.parts[3] ?? ''),
  'GET /channels/:id': ({ world, parts }) => {
    const refusal = refuseAccess(world, parts[1]);
    return refusal ? refused(refusal) : { status: 200, body: shownChannel(world.channels.get(parts[1] ?? ''), world) };
  },
  'POST /channels/:id/messages': createMessage,
  'GET /channels/:id/messages': listMessages,
  'PATCH /channels/:id/messages/:id': ({ world, parts, body }) => {
    const refusal = refuseAccess(world, parts[1]) ?? refuseMessage(body, false);
    if (refusal) return refused(refusal);
    const message = world.messages.find(({ id, channel }) => id === parts[3] && channel.id === parts[1]);
    if (!message || message.deleted) return refused(UNKNOWN_MESSAGE);
    if (message.author.id !== world.bot.id) {
      return refused({ status: 403, code: 50005, message: 'Cannot edit a message authored by another user' });
    }
    return { status: 200, body: shown(edit(world, message, body as MessageBody)) };
  },
  'DELETE /channels/:id/messages/:id': ({ world, parts }) => {
    const refusal = refuseAccess(world, parts[1]);
    if (refusal) return refused(refusal);
    const message = world.messages.find(({ id, channel }) => id === parts[3] && channel.id === parts[1]);
    if (!message || message.deleted) return refused(UNKNOWN_MESSAGE);
    message.deleted = true;
    return { status: 204 };
  },
  'POST /interactions/:id/:token/callback': callback,
  [`GET ${ORIGINAL}`]: ({ world, parts }) => {
    const found = original(world, parts);
    return 'code' in found ? refused(found) : { status: 200, body: shown(found) };
  },
  [`PATCH ${ORIGINAL}`]: ({ world, parts, body }) => {
    const found = original(world, parts);
    if ('code' in found) return refused(found);
    const refusal = refuseMessage(body, false);
    return refusal ? refused(refusal) : { status: 200, body: shown(edit(world, found, body as MessageBody)) };
  },
  'POST /webhooks/:id/:token': ({ world, parts, body }) => {
    const interaction = living(world, parts);
    if ('code' in interaction) return refused(interaction);
    const refusal = refuseMessage(body, true);
    if (refusal) return refused(refusal);
    return { status: 200, body: shown(post(world, interaction.channel, body as MessageBody, interaction)) };
  },
};

function interactionOf(world: World, token: string | undefined): Interaction | undefined {
  return [...world.interactions.values()].find((one) => one.token === token);
}

function living(world: World, parts: readonly string[]): Interaction | Refusal {
  const interaction = interactionOf(world, parts[2]);
  if (!interaction || parts[1] !== world.application.id) return UNKNOWN_WEBHOOK;
  return world.now() - interaction.createdAt > TOKEN_MS ? INVALID_TOKEN : interaction;
}

function original(world: World, parts: readonly string[]): StoredMessage | Refusal {
  const interaction = living(world, parts);
  if ('code' in interaction) return interaction;
  return interaction.original && !interaction.original.deleted ? interaction.original : UNKNOWN_MESSAGE;
}

function refuseAccess(world: World, id: string | undefined, sending = false): Refusal | undefined {
  const channel = world.channels.get(id ?? '');
  if (!channel) return UNKNOWN_CHANNEL;
  if (channel.guild === undefined) return undefined;
  if (world.kicked) return MISSING_ACCESS;
  return sending && world.denied.has('send') ? MISSING_PERMISSIONS : undefined;
}

function createMessage({ world, parts, body }: Asked): Answer {
  const refusal = refuseAccess(world, parts[1], true) ?? refuseMessage(body, true);
  if (refusal) return refused(refusal);
  const given = body as MessageBody;
  if (world.refuseEmbeds && (given.embeds ?? []).length > 0) {
    world.refuseEmbeds = false;
    return refused({ status: 400, code: 50035, message: 'Invalid Form Body: embeds' });
  }
  const channel = world.channels.get(parts[1] ?? '') as Channel;
  const reference = given.message_reference;
  if (reference && world.denied.has('history') && channel.guild !== undefined) {
    const message = 'Cannot reply without permission to read message history';
    return refused({ status: 400, code: 160002, message });
  }
  const known = world.messages.find(({ id, deleted }) => id === reference?.message_id && !deleted);
  if (reference && !known && reference.fail_if_not_exists !== false) {
    return refused({ status: 400, code: 50035, message: 'Invalid Form Body: MESSAGE_REFERENCE_UNKNOWN_MESSAGE' });
  }
  // "If enforce_nonce is true … checked for uniqueness in the past few minutes. If another message was created by the
  // same author with the same nonce, that message will be returned and no new message will be created."
  const same = world.messages.find(
    (one) => one.nonce === given.nonce && one.channel.id === channel.id && world.now() - one.createdAt < 3 * 60_000,
  );
  if (given.enforce_nonce && given.nonce !== undefined && same) return { status: 200, body: shown(same, true) };
  return { status: 200, body: shown(post(world, channel, given), true) };
}

/** Without the permission to embed links, embeds are left out of a message, without a word. */
function embedsOf(world: World, channel: Channel, embeds: readonly Embed[]): readonly Embed[] {
  return world.denied.has('embed') && channel.guild !== undefined ? [] : embeds;
}

function post(world: World, channel: Channel, body: MessageBody, interaction?: Interaction): StoredMessage {
  const message: StoredMessage = {
    id: world.snowflake(),
    channel,
    author: world.bot,
    content: body.content ?? '',
    embeds: embedsOf(world, channel, body.embeds ?? []),
    components: body.components ?? [],
    flags: body.flags ?? 0,
    nonce: body.nonce,
    reference: body.message_reference?.message_id,
    interaction,
    createdAt: world.now(),
    earlier: [],
    deleted: false,
  };
  world.messages.push(message);
  return message;
}

function edit(world: World, message: StoredMessage, body: MessageBody): StoredMessage {
  if ((message.flags & FLAGS.loading) === 0) {
    message.earlier.push(JSON.stringify({ content: message.content, embeds: message.embeds }));
    message.editedAt = world.now();
  }
  message.flags &= ~FLAGS.loading;
  message.content = body.content ?? message.content;
  message.embeds = body.embeds ? embedsOf(world, message.channel, body.embeds) : message.embeds;
  message.components = body.components ?? message.components;
  return message;
}

function listMessages({ world, parts, query }: Asked): Answer {
  const refusal = refuseAccess(world, parts[1]);
  if (refusal) return refused(refusal);
  const limit = Number(query.get('limit') ?? 50);
  if (!(limit >= 1 && limit <= 100)) return refused({ status: 400, code: 50035, message: 'Invalid Form Body: limit' });
  // Without the permission to read the history, "this will return no messages".
  const channel = world.channels.get(parts[1] ?? '');
  const hidden = world.denied.has('history') && channel?.guild !== undefined;
  const found = hidden ? [] : world.messages.filter((one) => one.channel === channel && !one.deleted);
  return {
    status: 200,
    body: found
      .slice(-limit)
      .reverse()
      .map((one) => shown(one)),
  };
}

function callback({ world, parts, body }: Asked): Answer {
  const interaction = world.interactions.get(parts[1] ?? '');
  if (!interaction || interaction.token !== parts[2]) return refused(UNKNOWN_INTERACTION);
  if (interaction.acknowledgedAt !== undefined) return refused(ACKNOWLEDGED);
  if (world.now() - interaction.createdAt > ACKNOWLEDGE_MS) return refused(UNKNOWN_INTERACTION);
  const { type, data } = body as { type: number; data?: { choices?: Interaction['choices'] } };
  const allowed = { 2: [4, 5, 9], 3: [4, 5, 6, 7, 9], 4: [8] }[interaction.kind];
  if (!allowed.includes(type)) {
    return refused({ status: 400, code: 50035, message: `Invalid Form Body: type ${type} here` });
  }
  if (type === 8) {
    const refusal = refuseChoices(data?.choices);
    if (refusal) return refused(refusal);
    interaction.choices = data?.choices ?? [];
  }
  interaction.acknowledgedAt = world.now();
  if (type === 5) interaction.original = post(world, interaction.channel, { flags: FLAGS.loading }, interaction);
  return { status: 204 };
}

function refuseApplication({ world, parts }: Asked): Refusal | undefined {
  if (parts[1] !== world.application.id) return { status: 403, code: 20012, message: 'You are not authorized' };
  const guild = parts[2] === 'guilds' ? parts[3] : undefined;
  if (guild === undefined) return undefined;
  return guild !== world.guild.id || world.kicked || world.denied.has('commands') ? MISSING_ACCESS : undefined;
}

function commandsAt(asked: Asked, where: string): Answer {
  const refusal = refuseApplication(asked);
  return refusal ? refused(refusal) : { status: 200, body: asked.world.commands.get(where) ?? [] };
}

function putCommands(asked: Asked, where: string): Answer {
  const refusal = refuseApplication(asked) ?? refuseCommands(asked.body);
  if (refusal) return refused(refusal);
  const { world } = asked;
  world.commands.set(where, asked.body as readonly unknown[]);
  // Application Commands, "Application Command Object": what was sent, with what the platform adds.
  const guild = where === 'global' ? {} : { guild_id: where };
  const made = (asked.body as readonly object[]).map((command) => ({
    id: world.snowflake(),
    application_id: world.application.id,
    version: world.snowflake(),
    default_member_permissions: null,
    nsfw: false,
    type: 1,
    ...guild,
    ...command,
  }));
  return { status: 200, body: made };
}
