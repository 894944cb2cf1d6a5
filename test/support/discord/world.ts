import type { Fault, People, Place } from '../chat-platform.ts';

/** What a Discord of tests knows: people, channels, messages, interactions, commands. */

/** Milliseconds of Discord's first second (Reference, "Snowflakes"). */
const EPOCH = 1_420_070_400_000n;
/** An interaction's token lives for 15 minutes, and its first answer is due in 3 s (Receiving and Responding). */
export const TOKEN_MS = 15 * 60_000;
export const ACKNOWLEDGE_MS = 3_000;
/** Bits of a message's flags. */
export const FLAGS = { suppressEmbeds: 1 << 2, ephemeral: 1 << 6, loading: 1 << 7, suppressNotifications: 1 << 12 };

export interface User {
  readonly id: string;
  readonly username: string;
  readonly global_name: string | null;
  readonly discriminator: string;
  readonly avatar: null;
  readonly bot?: boolean;
}

export interface Channel {
  readonly id: string;
  /** 0 text, 1 direct, 11 thread. */
  readonly type: 0 | 1 | 11;
  readonly guild?: string;
  readonly parent?: string;
  /** Of a direct one. */
  readonly person?: string;
}

export interface StoredMessage {
  readonly id: string;
  readonly channel: Channel;
  readonly author: User;
  content: string;
  embeds: readonly Embed[];
  components: readonly Row[];
  flags: number;
  readonly nonce?: string | undefined;
  readonly reference?: string | undefined;
  readonly interaction?: Interaction | undefined;
  readonly createdAt: number;
  editedAt?: number;
  readonly earlier: string[];
  deleted: boolean;
}

export interface Embed {
  readonly title?: string;
  readonly description?: string;
  readonly color?: number;
  readonly fields?: readonly { readonly name: string; readonly value: string; readonly inline?: boolean }[];
  readonly footer?: { readonly text: string };
}

export interface Row {
  readonly type: 1;
  readonly components: readonly {
    readonly type: 2;
    readonly style: number;
    readonly label: string;
    readonly custom_id: string;
  }[];
}

export interface Interaction {
  readonly id: string;
  readonly token: string;
  readonly kind: 2 | 3 | 4;
  readonly channel: Channel;
  readonly user: User;
  readonly createdAt: number;
  acknowledgedAt?: number;
  /** The message that shows "thinking…", or what it became. */
  original?: StoredMessage;
  /** Of an autocompletion. */
  choices?: readonly { readonly name: string; readonly value: string }[];
}

export type Denied = 'send' | 'history' | 'commands' | 'embed';

export interface Told {
  readonly type: 'INTERACTION_CREATE' | 'MESSAGE_CREATE';
  readonly payload: Readonly<Record<string, unknown>>;
  readonly at: number;
}

export interface TakenFault {
  readonly do: Fault['do'];
  readonly ms: number;
  readonly status: number;
  readonly retryAfterMs: number;
}

export type World = ReturnType<typeof createWorld>;

export function createWorld() {
  let shift = 0;
  let count = 0n;
  const now = () => Date.now() + shift;
  const snowflake = () => {
    count += 1n;
    return (((BigInt(now()) - EPOCH) << 22n) | (count & 0x3fffffn)).toString();
  };
  const user = (username: string, bot = false): User => ({
    id: snowflake(),
    username,
    global_name: bot ? null : `${username[0]?.toUpperCase()}${username.slice(1)}`,
    discriminator: '0',
    avatar: null,
    ...(bot ? { bot } : {}),
  });
  const bot = user('fettle', true);
  const application = { id: bot.id, flags: 0 };
  const guild = { id: snowflake(), name: 'Workshop' };
  const users = new Map<string, User>();
  const person = (name: string) => {
    const made = user(name);
    users.set(made.id, made);
    return made.id;
  };
  const people: People = { anna: person('anna'), ben: person('ben'), eve: person('eve') };
  const channels = new Map<string, Channel>();
  const addChannel = (channel: Channel) => {
    channels.set(channel.id, channel);
    return channel;
  };
  const group = addChannel({ id: snowflake(), type: 0, guild: guild.id });
  const messages: StoredMessage[] = [];
  const interactions = new Map<string, Interaction>();
  const told = new Map<string, Told>();
  const faults: { fault: Fault; left: number }[] = [];
  const transcript: string[] = [];
  const ids = [bot.id, group.id, guild.id, people.anna].map((id) => id.slice(0, 8)).join('');

  return {
    now,
    /** Lets time pass here: tokens expire. */
    advance(ms: number) {
      shift += ms;
    },
    snowflake,
    bot,
    application,
    guild,
    people,
    group,
    channels,
    users,
    messages,
    interactions,
    told,
    transcript,
    /** As tokens look (id of the bot, time, signature), made up anew in each run. */
    token: `${Buffer.from(bot.id).toString('base64url')}.Testin.${Buffer.from(ids).toString('base64url').slice(0, 38)}`,
    /** Commands by where they are registered: `global`, or the id of a guild. */
    commands: new Map<string, readonly unknown[]>(),
    revoked: false,
    /** The next message with an embed is refused. */
    refuseEmbeds: false,
    /** The bot was removed from the guild. */
    kicked: false,
    /** What the bot may not do in the guild. */
    denied: new Set<Denied>(),
    /** Permissions of the bot in the guild as `GET /users/@me/guilds` says. */
    permissions: (1n << 10n) | (1n << 11n) | (1n << 14n) | (1n << 16n) | (1n << 38n),
    fault(fault: Fault) {
      faults.push({ fault, left: 'times' in fault ? (fault.times ?? 1) : 1 });
    },
    /** Takes the next fault of a kind of call, if there is one. */
    takeFault(on: Fault['on']): TakenFault | undefined {
      const at = faults.findIndex(({ fault }) => fault.on === on);
      const found = faults[at];
      if (!found) return undefined;
      found.left -= 1;
      if (found.left <= 0) faults.splice(at, 1);
      return { ms: 0, status: 500, retryAfterMs: 0, ...found.fault };
    },
    userOf(id: string): User {
      const known = users.get(id) ?? { ...user('someone'), id };
      users.set(id, known);
      return known;
    },
    placeOf(place: Place, id: string): Channel {
      if (place === 'group') return group;
      for (const channel of channels.values()) if (channel.person === id) return channel;
      return addChannel({ id: snowflake(), type: 1, person: id });
    },
    addThread: () => addChannel({ id: snowflake(), type: 11, guild: guild.id, parent: group.id }),
    say(line: string) {
      transcript.push(`${new Date(now()).toISOString().slice(11, 23)} ${line}`);
    },
  };
}
