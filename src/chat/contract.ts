/**
 * What an adapter and the chat core owe each other. An adapter turns a platform's events into a
 * {@link Request} and renders a {@link Reply}; everything else (authorisation, parsing, retries, ordering,
 * exactly-once) is the core's. One contract suite (`test/contract/adapter.ts`) runs against every adapter.
 */

import type { Language, Reply, Route } from '../domain/reply.ts';

export {
  type Button,
  type Field,
  LANGUAGES,
  type Language,
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
  /** The platform's id of the person. */
  readonly person: string;
  readonly personName?: string | undefined;
  readonly locale?: Language | undefined;
  /** What was typed, or the command that a button carries. */
  readonly text: string;
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
}

/** What sending came to. Expected refusals are values; anything thrown counts as `retry`. */
export type Delivery =
  | { readonly result: 'sent'; readonly ref: string }
  /** Try again, not before `afterMs`. */
  | { readonly result: 'retry'; readonly afterMs: number; readonly reason: string }
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
  /** Messages that were `unattended` may be tried now. */
  deliverable(): void;
  /** What was sent in answer to an event already, as it is shown now: for a reader who asks again. */
  answersTo(eventId: string): Promise<readonly Outgoing[]>;
  /** Completions of what a person has typed so far. */
  complete(text: string): Promise<readonly string[]>;
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
  connection(): Connection;
}
