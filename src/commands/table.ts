import type { Role } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { Language, Route } from '../domain/reply.ts';
import { notUnderstood, whichOne } from './ask-back.ts';
import { complete } from './complete.ts';
import type { Command, CommandContext, CommandResult, Words } from './contract.ts';
import { parse } from './parse.ts';
import { createPhraseBook, type Phrases } from './phrases.ts';
import type { Person, Services } from './services.ts';

/** Brings declarations and services together: what the chat's router is given. */

/** Who asks; see the router's `Call`. */
export interface Invocation {
  readonly who: Person;
  readonly role: Role;
  readonly route: Route;
  /** Nobody else reads this chat. */
  readonly direct: boolean;
  readonly eventId: string;
  readonly language: Language;
  readonly words: Words;
  readonly now: number;
  readonly signal: AbortSignal;
}

export type Interpretation =
  | { readonly ok: false; readonly error: FettleError }
  | {
      readonly ok: true;
      readonly name: string;
      readonly role: Role;
      readonly open?: boolean | undefined;
      run(invocation: Invocation): Promise<CommandResult>;
    };

export interface Table {
  interpret(text: string): Promise<Interpretation>;
  complete(text: string): Promise<readonly string[]>;
}

export interface TableDeps {
  readonly commands: readonly Command[];
  readonly services: Services;
  /** Further phrases → commands, from the configuration. */
  readonly phrases?: Phrases | undefined;
}

/** @throws {Error} where two commands claim one name */
export function createCommandTable({ commands, services, phrases = {} }: TableDeps): Table {
  const names = commands.flatMap((command) => [command.name, ...command.aliases]);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`two commands are called ${twice}`);
  const book = createPhraseBook(commands, phrases);
  return {
    async interpret(text) {
      try {
        const devices = (await services.devices()).flatMap((device) => [device.name, device.id]);
        const meant = parse(text, { commands, settings: services.settings(), devices, phrases: book });
        if ('choices' in meant) {
          const { said, choices } = meant;
          return answering('which one', async (invocation) => whichOne(said, choices, commands, invocation));
        }
        const { command, raw } = meant;
        return {
          ok: true,
          name: command.name,
          role: command.role,
          open: command.open,
          run: (invocation) => command.run({ ...invocation, services, commands } satisfies CommandContext, raw),
        };
      } catch (error) {
        if (!(error instanceof FettleError)) throw error;
        if (error.code !== 'unknown_command' || error.data.spoken !== true) return { ok: false, error };
        return answering('not understood', async (invocation) =>
          notUnderstood(text.trim(), book.heard(text), commands, invocation),
        );
      }
    },
    complete: (text) => complete(text, commands, services),
  };
}

/** What whoever has a role is told; it touches nothing. */
function answering(name: string, run: (invocation: Invocation) => Promise<CommandResult>): Interpretation {
  return { ok: true, name, role: 'viewer', run };
}
