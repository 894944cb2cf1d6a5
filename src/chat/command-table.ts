import type { Role } from '../domain/app.ts';
import type { FettleError } from '../domain/errors.ts';
import type { Language, Reply, Route } from '../domain/reply.ts';
import type { Messages } from './messages/index.ts';

/** What the router needs of the commands. `src/commands` has one that fits; main.ts brings the two together. */
export interface CommandTable {
  /** Finds out what a text means. Never throws for anything that was typed. */
  interpret(text: string): Promise<Interpreted>;
  /** Whole lines that the text typed so far may become. */
  complete(text: string): Promise<readonly string[]>;
}

export type Interpreted =
  | { readonly ok: false; readonly error: FettleError }
  | {
      readonly ok: true;
      /** For logs. */
      readonly name: string;
      /** The least role that may run it. */
      readonly role: Role;
      /** Taken from strangers as well. */
      readonly open?: boolean | undefined;
      /** @throws {FettleError} shown to the person by its code */
      run(call: Call): Promise<CommandAnswer>;
    };

/** Who asks, from where, in which language. */
export interface Call {
  readonly who: { readonly id: string; readonly name: string };
  readonly role: Role;
  readonly route: Route;
  /** Nobody else reads this chat. */
  readonly direct: boolean;
  readonly eventId: string;
  readonly language: Language;
  readonly words: Messages;
  readonly now: number;
  readonly signal: AbortSignal;
}

/** The final answer; or the update whose end will be the final answer, which whoever ends it writes. */
export type CommandAnswer =
  | { readonly reply: Reply; readonly failed?: boolean | undefined }
  | { readonly deferred: string };
