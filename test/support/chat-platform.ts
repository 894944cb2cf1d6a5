/**
 * A chat platform on this machine, as tests of the whole drive it: each platform's local server speaks the real
 * protocol to the real library, and fits this. What only one platform has is on its own type.
 */

/** Where somebody writes. Each platform has a group and, for each person, a direct chat with the bot. */
export type Place = 'group' | 'direct';

/** The platform's ids of people who are there from the start. */
export interface People {
  /** Becomes the admin in most tests. */
  readonly anna: string;
  readonly ben: string;
  readonly eve: string;
}

export interface SeenButton {
  readonly label: string;
  /** What the platform would send back: `press` takes it. */
  readonly value: string;
}

/** A message of the bot as people see it now. */
export interface SeenMessage {
  readonly id: string;
  readonly place: Place;
  readonly person?: string | undefined;
  readonly chat: string;
  readonly thread?: string | undefined;
  /** The message that it answers. */
  readonly answers?: string | undefined;
  /** All its words, as plain text: the title is the first line. */
  readonly text: string;
  readonly title: string;
  readonly buttons: readonly SeenButton[];
  /** What it showed before, oldest first; without what it shows now. */
  readonly earlier: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly editedAt?: number | undefined;
}

/** A call of the platform's API that came in, in order. */
export interface Call {
  readonly at: number;
  readonly what: 'send' | 'edit' | 'acknowledge' | 'connect' | 'register' | 'other';
  /** `POST /bot…/sendMessage`, without tokens. */
  readonly name: string;
  /** What was answered: a status, or `dropped`. */
  readonly answered: number | 'dropped';
  readonly body: unknown;
}

/** What goes wrong with the next `times` (1) calls or events of a kind. */
export type Fault =
  /** Taken, done, and the answer is never given: the connection is cut. */
  | { readonly on: 'send' | 'edit'; readonly do: 'lose-answer'; readonly times?: number }
  /** The connection is cut before anything is done. */
  | { readonly on: 'send' | 'edit' | 'acknowledge' | 'connect'; readonly do: 'drop'; readonly times?: number }
  | {
      readonly on: 'send' | 'edit' | 'connect';
      readonly do: 'status';
      readonly status: number;
      readonly times?: number;
    }
  | { readonly on: 'send' | 'edit'; readonly do: 'rate-limit'; readonly retryAfterMs: number; readonly times?: number }
  | {
      readonly on: 'send' | 'edit' | 'event' | 'acknowledge';
      readonly do: 'delay';
      readonly ms: number;
      readonly times?: number;
    }
  | { readonly on: 'event'; readonly do: 'duplicate' | 'lose'; readonly times?: number }
  /** The next two events come in the other order. */
  | { readonly on: 'event'; readonly do: 'reorder' };

export interface ChatPlatform {
  readonly platform: 'feishu' | 'discord' | 'telegram';
  readonly people: People;
  /** The section of `chats:` in fettle.yaml, by key; secrets are in `environment`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves once a bot is connected and would hear an event now. Rejects after 20 s. */
  connected(): Promise<void>;
  /** How many connections (sessions, pollers) the bot has now. */
  connections(): number;
  /**
   * A person types; in a group the bot is mentioned (Feishu, Telegram), and where the platform has commands of its own
   * (Discord) a text that begins with a slash is one. Resolves with the event's id once the platform has taken it: that
   * the bot is connected is not needed.
   */
  type(
    text: string,
    from?: { readonly person?: string; readonly place?: Place; readonly locale?: 'en' | 'zh' },
  ): Promise<string>;
  /** A person presses a button of a message. */
  press(message: SeenMessage, button: SeenButton, person?: string): Promise<string>;
  /** Tells an event once more. */
  repeat(eventId: string): Promise<void>;
  /** Was the event acknowledged, and how long after it was told first? Milliseconds. */
  acknowledgedAfter(eventId: string): number | undefined;
  /** The bot's messages, oldest first. */
  messages(): readonly SeenMessage[];
  /** Somebody deletes a message of the bot. */
  remove(messageId: string): void;
  calls(): readonly Call[];
  fault(fault: Fault): void;
  /** Cuts every connection of the bot, as a network does. */
  disconnect(): void;
  /** The credentials are revoked: from now on they are refused. */
  revoke(): void;
  /** What was typed, pressed, sent and edited, in order, for people to read. */
  transcript(): string;
  close(): Promise<void>;
}
