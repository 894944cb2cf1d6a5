import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Call, ChatPlatform, Fault } from '../chat-platform.ts';
import { until } from '../until.ts';
import { serveApi } from './api.ts';
import { createGateway } from './gateway.ts';
import { guildOf, shown } from './objects.ts';
import { isShown, seenMessage } from './seen.ts';
import { type FilledCommand, fillIn, type RegisteredCommand } from './slash.ts';
import { type Channel, createWorld, type Denied, type Interaction, type StoredMessage, type Told } from './world.ts';

/**
 * Discord on this machine: REST and gateway over real sockets, as the platform's documentation has them
 * (https://discord.com/developers/docs). Each file names the pages that it was written from.
 */

export interface DiscordPlatform extends ChatPlatform {
  readonly platform: 'discord';
  readonly token: string;
  /** `http://127.0.0.1:PORT/api` */
  readonly api: string;
  readonly bot: { readonly id: string; readonly username: string };
  readonly guild: { readonly id: string; readonly name: string };
  readonly group: string;
  /** `global`, or the id of a guild → what is registered there. */
  readonly commands: ReadonlyMap<string, readonly unknown[]>;
  /** Somebody writes a message as it stands; nobody is mentioned. */
  write(text: string, from?: { person?: string; chat?: string; extra?: Record<string, unknown> }): string;
  /** Somebody stands in the form of a slash command; resolves with what is offered. */
  offered(line: string, focused: string, value: string, person?: string): Promise<readonly string[]>;
  /** A press of a button with any id. */
  pressRaw(messageId: string, customId: string, person?: string): string;
  /** A thread below the group's channel; `type` and `write` take it as `chat`. */
  thread(): string;
  /** A slash command in any chat. */
  slash(line: string, chat: string, person?: string): Promise<string>;
  /** An event as it stands. */
  dispatch(type: string, payload: Record<string, unknown>): void;
  /** Any frame of the gateway. */
  frame(payload: unknown): void;
  /** Lets time pass here. */
  advance(ms: number): void;
  closeGateway(code: number): void;
  /** Sessions can't be resumed any more. */
  forgetSessions(): void;
  silence(on: boolean): void;
  refuseIdentify(code: number | undefined): void;
  /** Handshakes of the gateway are never answered. */
  hangHandshakes(on: boolean): void;
  readonly openHandshakes: number;
  /** The bot is removed from the guild; or is there again. */
  kick(): void;
  invite(): void;
  deny(...what: Denied[]): void;
  setPermissions(bits: bigint): void;
  /** Events wait from now on; and are told. */
  hold(): void;
  release(): void;
  /** The next message with an embed is refused as malformed. */
  refuseEmbeds(): void;
  /** From now on the API refuses the token; the gateway goes on. */
  revokeApi(): void;
  /** The ports of every connection that was made here. */
  readonly peers: readonly number[];
  readonly identified: number;
  readonly resumed: number;
  readonly closed: boolean;
}

export interface DiscordOptions {
  readonly heartbeatMs?: number | undefined;
}

export async function startDiscord(options: DiscordOptions = {}): Promise<DiscordPlatform> {
  const world = createWorld();
  const calls: Call[] = [];
  let port = 0;
  let closed = false;
  /** An event that waits for the next one. */
  let held: (() => void) | undefined;
  let holding: (() => void)[] | undefined;
  const onCall = (call: Omit<Call, 'at'>) => {
    calls.push({ at: world.now(), ...call });
    if (call.what !== 'other') world.say(`bot  ${call.name} → ${call.answered}${wordsOfCall(call)}`);
  };
  const gateway = createGateway(world, {
    heartbeatMs: options.heartbeatMs ?? 41_250,
    url: () => `ws://127.0.0.1:${port}`,
    onCall: (answered) => onCall({ what: 'connect', name: 'GET gateway', answered, body: undefined }),
  });
  const server = createServer((request, response) => {
    serveApi(world, request, response, { gateway: () => `ws://127.0.0.1:${port}`, onCall }).catch(() =>
      request.socket.destroy(),
    );
  });
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
  const peers: number[] = [];
  server.on('connection', ({ remotePort }) => void peers.push(remotePort ?? 0));
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;

  function tell(told: Told, direct: boolean): void {
    const send = () => {
      if (holding) holding.push(send);
      else gateway.dispatch(told.type, told.payload, direct);
    };
    const fault = world.takeFault('event');
    const before = held;
    held = undefined;
    if (fault?.do === 'reorder') {
      held = send;
      return;
    }
    if (fault?.do === 'lose') {
      before?.();
      return;
    }
    if (fault?.do === 'delay') void setTimeout(send, fault.ms);
    else send();
    if (fault?.do === 'duplicate') send();
    before?.();
  }

  const place = ({ guild }: Channel, user: unknown) =>
    guild === undefined
      ? { user, context: 1 }
      : { guild_id: guild, member: { user, nick: null, roles: [], permissions: '0' }, context: 0 };

  function write(text: string, channel: Channel, person: string, extra: Record<string, unknown> = {}): string {
    const id = world.snowflake();
    const author = world.userOf(person);
    const mentioned = text.includes(`<@${world.bot.id}>`);
    world.say(`${author.username} “${text}”`);
    const message: StoredMessage = {
      id,
      channel,
      author,
      content: text,
      embeds: [],
      components: [],
      flags: 0,
      createdAt: world.now(),
      earlier: [],
      deleted: false,
    };
    world.messages.push(message);
    const readable = channel.guild === undefined || mentioned;
    const { context: _, user: __, ...where } = { user: undefined, ...place(channel, author) };
    const base = shown(message) as Record<string, unknown>;
    const payload = {
      ...base,
      // Without the intent of message contents they are empty, but for direct messages and mentions of the bot.
      content: readable ? text : '',
      mentions: mentioned ? [world.bot] : [],
      channel_type: channel.type,
      ...(channel.guild === undefined ? {} : where),
      ...extra,
    };
    const told: Told = { type: 'MESSAGE_CREATE', payload, at: world.now() };
    world.told.set(id, told);
    tell(told, channel.guild === undefined);
    return id;
  }

  function interact(
    kind: Interaction['kind'],
    data: unknown,
    from: { channel: Channel; person: string; locale?: 'en' | 'zh' | undefined; message?: unknown },
  ): Interaction {
    const user = world.userOf(from.person);
    const id = world.snowflake();
    const token = Buffer.from(`interaction:${id}:${from.person}`).toString('base64url');
    const interaction: Interaction = { id, token, kind, channel: from.channel, user, createdAt: world.now() };
    world.interactions.set(id, interaction);
    const { channel } = from;
    const payload = {
      id,
      application_id: world.application.id,
      type: kind,
      token,
      version: 1,
      data,
      channel_id: channel.id,
      channel: { id: channel.id, type: channel.type, ...(channel.parent ? { parent_id: channel.parent } : {}) },
      locale: from.locale === 'zh' ? 'zh-CN' : 'en-US',
      app_permissions: '0',
      entitlements: [],
      attachment_size_limit: 10_485_760,
      // "Authorizing Integration Owners Object": installed in a guild; "0" in a direct chat with the bot.
      authorizing_integration_owners: { 0: channel.guild ?? '0' },
      ...(from.message === undefined ? {} : { message: from.message }),
      ...place(channel, user),
    };
    const told: Told = { type: 'INTERACTION_CREATE', payload, at: world.now() };
    world.told.set(id, told);
    tell(told, channel.guild === undefined);
    return interaction;
  }

  const registered = () => {
    const here = [...world.commands.values()].flat() as RegisteredCommand[];
    return here;
  };

  async function slash(line: string, channel: Channel, person: string, locale?: 'en' | 'zh'): Promise<string> {
    // Nobody can choose what the bot has not registered yet.
    await until('commands', () => registered().length > 0, 20_000);
    const filled = fillIn(line, registered());
    if (!filled) return write(channel.guild === undefined ? line : `<@${world.bot.id}> ${line}`, channel, person);
    world.say(`${world.userOf(person).username} ${line}`);
    return interact(2, commandData(filled), { channel, person, locale }).id;
  }

  const commandData = ({ name, options: filled }: FilledCommand) => ({
    id: world.snowflake(),
    name,
    type: 1,
    options: filled,
  });

  function channelOf(id: string | undefined): Channel {
    const channel = id === undefined ? world.group : world.channels.get(id);
    if (!channel) throw new Error(`no channel ${id}`);
    return channel;
  }

  function pressRaw(messageId: string, customId: string, person = world.people.anna): string {
    const message = world.messages.find(({ id }) => id === messageId);
    if (!message) throw new Error(`no message ${messageId}`);
    world.say(`${world.userOf(person).username} presses ${customId}`);
    const data = { custom_id: customId, component_type: 2 };
    return interact(3, data, { channel: message.channel, person, message: shown(message) }).id;
  }

  return {
    platform: 'discord',
    people: world.people,
    config: { api: `http://127.0.0.1:${port}/api` },
    environment: { FETTLE_DISCORD_TOKEN: world.token },
    token: world.token,
    api: `http://127.0.0.1:${port}/api`,
    bot: world.bot,
    guild: world.guild,
    group: world.group.id,
    commands: world.commands,
    async connected() {
      await until('a bot that is connected', () => gateway.ready() > 0 && registered().length > 0, 20_000);
    },
    connections: () => gateway.connections(),
    async type(text, from = {}) {
      const person = from.person ?? world.people.anna;
      const channel = world.placeOf(from.place ?? 'group', person);
      if (text.startsWith('/')) return slash(text, channel, person, from.locale);
      return write(channel.guild === undefined ? text : `<@${world.bot.id}> ${text}`, channel, person);
    },
    async press(message, button, person) {
      return pressRaw(message.id, button.value, person);
    },
    async repeat(eventId) {
      const told = world.told.get(eventId);
      if (!told) throw new Error(`no event ${eventId}`);
      gateway.dispatch(told.type, told.payload, !('guild_id' in told.payload));
    },
    acknowledgedAfter(eventId) {
      const interaction = world.interactions.get(eventId);
      const at = interaction?.acknowledgedAt;
      return at === undefined || !interaction ? undefined : at - interaction.createdAt;
    },
    messages: () =>
      world.messages.filter((one) => one.author.id === world.bot.id && isShown(one)).map((one) => seenMessage(one)),
    remove(messageId) {
      const message = world.messages.find(({ id }) => id === messageId);
      if (message) message.deleted = true;
    },
    calls: () => calls,
    fault: (fault: Fault) => world.fault(fault),
    disconnect: () => gateway.cut(),
    revoke() {
      world.revoked = true;
      gateway.closeAll(4004);
    },
    transcript: () => world.transcript.join('\n'),
    write: (text, from = {}) => write(text, channelOf(from.chat), from.person ?? world.people.anna, from.extra),
    async offered(line, focused, value, person = world.people.anna) {
      await until('commands', () => registered().length > 0, 20_000);
      const filled = fillIn(line, registered());
      if (!filled) throw new Error(`no form for ${line}`);
      const own = { type: 3, name: focused, value, focused: true };
      const nested = filled.options[0]?.type === 1;
      const options = nested
        ? filled.options.map((one) => ({ ...one, options: [...(one.options ?? []), own] }))
        : [...filled.options, own];
      const interaction = interact(4, commandData({ ...filled, options }), { channel: world.group, person });
      return until('choices', () => interaction.choices?.map((choice) => choice.value), 5_000);
    },
    pressRaw,
    thread: () => world.addThread().id,
    slash: (line, chat, person = world.people.anna) => slash(line, channelOf(chat), person),
    dispatch: (type, payload) => gateway.dispatch(type, payload, false),
    frame: (payload) => gateway.tell(payload),
    advance: (ms) => world.advance(ms),
    closeGateway: (code) => gateway.closeAll(code),
    forgetSessions: () => gateway.forget(),
    silence: (on) => gateway.silence(on),
    hangHandshakes: (on) => gateway.hang(on),
    refuseIdentify: (code) => gateway.refuseIdentify(code),
    kick() {
      world.kicked = true;
      gateway.dispatch('GUILD_DELETE', { id: world.guild.id }, false);
    },
    invite() {
      world.kicked = false;
      gateway.dispatch('GUILD_CREATE', guildOf(world), false);
    },
    deny(...what) {
      world.denied.clear();
      for (const one of what) world.denied.add(one);
    },
    setPermissions(bits) {
      world.permissions = bits;
    },
    hold() {
      holding = [];
    },
    release() {
      const waiting = holding ?? [];
      holding = undefined;
      for (const send of waiting) send();
    },
    refuseEmbeds() {
      world.refuseEmbeds = true;
    },
    revokeApi() {
      world.revoked = true;
    },
    peers,
    get openHandshakes() {
      return gateway.hung();
    },
    get identified() {
      return gateway.identified();
    },
    get resumed() {
      return gateway.resumed();
    },
    get closed() {
      return closed;
    },
    async close() {
      closed = true;
      await gateway.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The first words of what was sent, for the transcript. */
function wordsOfCall({ body, what }: Omit<Call, 'at'>): string {
  if (what !== 'send' && what !== 'edit') return '';
  const { content = '', embeds = [] } = (body ?? {}) as { content?: string; embeds?: { description?: string }[] };
  const text = [content, ...embeds.map(({ description = '' }) => description)].join(' | ').replace(/\s+/g, ' ');
  return ` “${text.slice(0, 160)}”`;
}
