/**
 * What an adapter and the chat core owe each other. An adapter turns a platform's events into a
 * {@link Request} and renders a {@link Reply}; everything else (authorisation, parsing, retries, ordering,
 * exactly-once) is the core's. One contract suite (`test/contract/adapter.ts`) runs against every adapter.
 */

import type { Role } from '../domain/app.ts';
import type { ErrorCode, ErrorData } from '../domain/errors.ts';
import type { Language, Localized, Reply, Route } from '../domain/reply.ts';

export type { Role } from '../domain/app.ts';
export { type ErrorCode, type ErrorData, FettleError } from '../domain/errors.ts';
export {
  type Button,
  type Field,
  LANGUAGES,
  type Language,
  type Localized,
  type Reply,
  type ReplyProgress,
  type Route,
  type Tone,
} from '../domain/reply.ts';

/** What a person did, as the platform told it. Stored before it is acknowledged. */
export interface Request {
  readonly route: Route;
  /** The platform's id of the event; the same event told twice has the same id. */
  readonly eventId: string;
  /** When the platform says that it was (milliseconds since 1970), where it says it: what is too old is not done. */
  readonly at?: number | undefined;
  /** The platform's id of the person. */
  readonly person: string;
  readonly personName?: string | undefined;
  readonly locale?: Language | undefined;
  /** What was typed, or the command that a button carries. Mentions of the bot are taken out. */
  readonly text: string;
  /** Nobody else reads this chat. Codes that claim a hub are taken, and links that sign in are given, nowhere else. */
  readonly direct?: boolean | undefined;
  /** A press on a button that is not known any more (an older version made it, or it was forgotten); `text` is empty. */
  readonly unknownButton?: boolean | undefined;
}

/** A message as the outbox hands it to an adapter. */
export interface Outgoing {
  /** Unique for ever: sending twice with one key shows one message. */
  readonly key: string;
  readonly route: Route;
  readonly reply: Reply;
  /** The event that this answers, where there is one. */
  readonly answers?: string | undefined;
  /** No further message answers that event. */
  readonly final: boolean;
  /** With `final`: what was asked for did not happen. Scripts exit with 1. */
  readonly failed: boolean;
  /**
   * This message was handed out before and nobody knows whether it arrived: the hub was killed meanwhile, or no answer
   * came. A platform that does not recognise the key itself looks for it before it sends anew.
   */
  readonly maybeSent?: { readonly since: number } | undefined;
}

/** What an adapter can do; the core decides by this and never by the platform's name. */
export interface Capabilities {
  readonly edit: boolean;
  readonly buttons: boolean;
  readonly threads: boolean;
  readonly slash: boolean;
  readonly ephemeral: boolean;
  readonly completion: boolean;
  /** Characters in one message. */
  readonly maxLength: number;
  /** Least milliseconds between two edits of one message. */
  readonly editIntervalMs: number;
}

/** How a connection is. `unattended`: nobody is there to read; messages wait without counting as failures. */
export interface Connection {
  readonly state: 'connected' | 'connecting' | 'unattended' | 'failed' | 'stopped';
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly lastError?: string | undefined;
  /** Why it is not connected, for people: the catalogue has the text and what to do. */
  readonly problem?: { readonly code: ErrorCode; readonly data: ErrorData } | undefined;
}

/** What sending came to. Expected refusals are values; anything thrown counts as `retry`. */
export type Delivery =
  | { readonly result: 'sent'; readonly ref: string }
  /** Try again, not before `afterMs`. */
  | {
      readonly result: 'retry';
      readonly afterMs: number;
      readonly reason: string;
      /** It is known that nothing arrived (the platform said so, or nobody was reached): it need not be looked for. */
      readonly notSent?: true | undefined;
    }
  /** Nobody to deliver to now; the adapter calls `sink.deliverable()` when there is. */
  | { readonly result: 'unattended' }
  /** This message can never be sent or edited. */
  | { readonly result: 'impossible'; readonly reason: string };

/** What the core gives to an adapter. */
export interface Sink {
  /**
   * Stores the event (deduplicated by platform and event id) and resolves when it is safe to acknowledge it.
   * The answer comes later, through the outbox.
   */
  accept(request: Request): Promise<'stored' | 'duplicate'>;
  /** Messages that were `unattended`, and those that wait after a failure, may be tried now: the connection is back. */
  deliverable(): void;
  /** What was sent in answer to an event already, as it is shown now: for a reader who asks again. */
  answersTo(eventId: string): Promise<readonly Outgoing[]>;
  /** Completions of what a person has typed so far. */
  complete(text: string): Promise<readonly string[]>;
  /** `connection()` has changed: others are told of one that fails. */
  connectionChanged(): void;
  /** Keeps a button's command under a short name (22 characters of `[A-Za-z0-9_-]`); the same command has the same one. */
  shorten(command: string): Promise<string>;
  /** The command of a short name; `undefined` where it was never made, or is forgotten (after 90 days). */
  expand(name: string): Promise<string | undefined>;
  /** What this adapter keeps over a restart (a position, a digest of what was registered): small, by key. */
  readonly memory: {
    get(key: string): Promise<string | undefined>;
    set(key: string, value: string): Promise<void>;
  };
}

/** A command as a platform with a menu of its own registers it. */
export interface MenuCommand {
  /** `update now` */
  readonly name: string;
  readonly role: Role;
  readonly help: Localized;
  readonly arguments: readonly MenuArgument[];
}

/** See `ArgumentKind` of `src/commands/contract.ts`. */
export interface MenuArgument {
  readonly key: string;
  readonly kind:
    | 'app'
    | 'version'
    | 'update'
    | 'backup'
    | 'device'
    | 'selector'
    | 'choice'
    | 'flag'
    | 'option'
    | 'text';
  /** `--dry-run` for a flag, `--with NAME` for an option, a placeholder otherwise. */
  readonly written: string;
  readonly help: Localized;
  readonly optional: boolean;
  /** Of a `choice`. */
  readonly values: readonly string[];
}

/** What every adapter of a platform is made with, beside its own settings. */
export interface PlatformDeps {
  readonly commands: readonly MenuCommand[];
  /** Time as people have it, and time that nobody sets. Milliseconds. */
  readonly clock: { now(): number; monotonic(): number };
  /** 0 ≤ x < 1, for jitter. */
  readonly random: () => number;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
  /** `HTTPS_PROXY` and the like, where the platform has no `proxy` of its own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a live look at a platform's credentials came to. Nothing is changed there, and no message is sent. */
export interface CredentialCheck {
  /** How the bot is called there; absent where the credentials are refused or nobody answers. */
  readonly bot?: string | undefined;
  /** What is wrong, worst first. Empty: all is well. */
  readonly problems: readonly { readonly code: ErrorCode; readonly data: ErrorData }[];
}

/** One platform. `ref`s are serialisable, so that a restarted hub edits the same message. */
export interface Adapter {
  readonly platform: string;
  readonly capabilities: Capabilities;
  /** A chat that always belongs to an admin: news goes there from the start. */
  readonly adminChat?: Route | undefined;
  /** Resolves when the connection is being made; a fatal refusal shows in `connection()`. */
  start(sink: Sink): Promise<void>;
  stop(): Promise<void>;
  send(message: Outgoing): Promise<Delivery>;
  edit(ref: string, message: Outgoing): Promise<Delivery>;
  /**
   * Nothing will be said to what was asked there: takes back what the platform shows until an answer comes, where it shows
   * something. Nobody waits for it.
   */
  dismiss?: ((route: Route) => Promise<void>) | undefined;
  connection(): Connection;
}
