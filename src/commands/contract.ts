import { z } from 'zod';
import type { Role } from '../domain/app.ts';
import type { ErrorData } from '../domain/errors.ts';
import type { Language, Localized, Reply, Route } from '../domain/reply.ts';
import type { UpdateState } from '../domain/update.ts';
import type { Person, Services, UpdateView } from './services.ts';

/**
 * What a chat command is. It is declared once, in one file, and listed in `index.ts`; the text parser, the help,
 * the permission check, the completion and docs/commands.md are derived from the declaration.
 */

/** How an argument is written in text. */
export type ArgumentKind =
  /** Name of an app. Not optional in the schema: the parser finds the one that is meant, or asks. */
  | 'app'
  /** A version, alone or after an app (`web@1.2.0`). */
  | 'version'
  /** An update's id (`u-7k2m`). */
  | 'update'
  /** A backup: `web/3`, or its number behind or without the app's name. Needs an `app` beside it. */
  | 'backup'
  /** Name or id of a device. */
  | 'device'
  /** Which device is meant: `on NAME`, `on label=value`, `on all`. */
  | 'selector'
  /** One of the values of a `z.enum`. `开` and `关` are `on` and `off`. */
  | 'choice'
  /** `--name`: true where it is given. */
  | 'flag'
  /** `--name VALUE` or `--name=VALUE`. */
  | 'option'
  /** All words that nothing else took. */
  | 'text';

export interface ArgumentMeta {
  readonly kind: ArgumentKind;
  readonly help: Localized;
  /** How a `text` or `option` value is called in the usage line. */
  readonly label?: string | undefined;
  /** An `option` that may be given again: its values are joined by commas. */
  readonly many?: true | undefined;
  /** What a `text` may begin with, in lower case; for completion. */
  readonly begins?: readonly string[] | undefined;
}

const arguments_ = z.registry<ArgumentMeta>();

/** Says how a schema's value is written in text. Only the schema that is returned carries it. */
export function argument<S extends z.ZodType>(schema: S, meta: ArgumentMeta): S {
  arguments_.add(schema, meta);
  return schema;
}

/** One argument of a command, as the parser, the help and the adapters with forms of their own read it. */
export interface Argument extends ArgumentMeta {
  /** The key in the schema. */
  readonly key: string;
  /** `--dry-run` for a flag or option, the placeholder otherwise. */
  readonly written: string;
  readonly optional: boolean;
  /** Of a `choice`. */
  readonly values: readonly string[];
}

/** What a run came to: the final answer, or the update whose end will be the final answer. */
export type CommandResult =
  | { readonly reply: Reply; readonly failed?: boolean | undefined }
  | { readonly deferred: string };

/** What a command is given. Everything it may touch is in here. */
export interface CommandContext {
  readonly services: Services;
  readonly who: Person;
  /** Of a stranger, whom only an `open` command is taken from: `viewer`. */
  readonly role: Role;
  readonly route: Route;
  /** Nobody else reads this chat. */
  readonly direct: boolean;
  /** The event that asks; makes {@link Services.request} safe to repeat. */
  readonly eventId: string;
  readonly language: Language;
  readonly words: Words;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal;
  /** All commands, in the order of the help. */
  readonly commands: readonly Command[];
}

/** Shared wording in the reader's language; the message catalogue of chat is one. */
export interface Words {
  /** `3.1 MB` */
  bytes(bytes: number): string;
  /** `0.9 s`, `2 min 5 s` */
  duration(ms: number): string;
  /** `3 min ago`, `in 5 s` */
  relative(at: number, now: number): string;
  /** A state as people call it. */
  state(state: UpdateState): string;
  health(health: 'healthy' | 'ill' | 'stopped' | 'unknown'): string;
  /** How an update ended, in one line. */
  outcome(update: UpdateView): string;
  /** What is wrong, and what to do next. Codes that this version does not know get a general text. */
  problem(code: string, data: ErrorData): { readonly text: string; readonly next?: string | undefined };
}

export interface Example {
  readonly text: string;
  readonly help: Localized;
}

/** What people say, and the arguments that it means. */
export interface Phrase {
  readonly say: string;
  /** As text; empty where it means the bare command. */
  readonly args: string;
}

/** What a command's file says. */
export interface CommandDeclaration<S extends z.ZodObject> {
  /** As typed after the slash: `update now`. */
  readonly name: string;
  readonly aliases?: readonly string[] | undefined;
  /**
   * What people say instead when they talk to the bot; `args` stands for what a phrase says beside the command. Two commands
   * with one phrase: the bot asks which. Configuration may add to these.
   */
  readonly phrases?: readonly (string | Phrase)[] | undefined;
  /** A word or two for a button. */
  readonly label?: Localized | undefined;
  readonly role: Role;
  /** Taken from strangers as well, who have no role: what it does decides whether they may. */
  readonly open?: boolean | undefined;
  readonly args: S;
  /** One line. */
  readonly help: Localized;
  readonly examples: readonly Example[];
  /**
   * Answers, or defers to an update's end. Run again after a crash that came before its answer was stored, so
   * it must be safe to repeat.
   *
   * @throws {FettleError} shown to the person by its code
   */
  run(context: CommandContext, args: z.output<S>): Promise<CommandResult>;
}

/** A declared command, its schema's type forgotten. */
export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly phrases: readonly Phrase[];
  readonly label?: Localized | undefined;
  readonly role: Role;
  readonly open?: boolean | undefined;
  readonly help: Localized;
  readonly examples: readonly Example[];
  readonly arguments: readonly Argument[];
  /** Checks what the parser found. */
  check(raw: Readonly<Record<string, unknown>>): z.ZodSafeParseResult<unknown>;
  run(context: CommandContext, raw: Readonly<Record<string, unknown>>): Promise<CommandResult>;
}

/**
 * Declares a command.
 *
 * @throws {Error} at start, where an argument of the schema has no {@link argument} meta
 */
export function defineCommand<S extends z.ZodObject>(declaration: CommandDeclaration<S>): Command {
  const { args, run, aliases = [], phrases = [], ...rest } = declaration;
  return {
    ...rest,
    aliases,
    phrases: phrases.map((phrase) => (typeof phrase === 'string' ? { say: phrase, args: '' } : phrase)),
    arguments: Object.entries(args.shape).map(([key, schema]) => describe(declaration.name, key, schema as z.ZodType)),
    check: (raw) => args.safeParse(raw),
    run: async (context, raw) => run(context, args.parse(raw)),
  };
}

function describe(command: string, key: string, schema: z.ZodType): Argument {
  const meta = arguments_.get(schema);
  if (!meta) throw new Error(`${command}: argument ${key} does not say how it is written`);
  const values = choices(schema);
  const kebab = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const label = meta.label ?? key;
  const written =
    meta.kind === 'flag'
      ? `--${kebab}`
      : meta.kind === 'option'
        ? `--${kebab} ${label.toUpperCase()}`
        : meta.kind === 'choice'
          ? values.join('|')
          : meta.kind === 'text'
            ? label.toUpperCase()
            : meta.kind === 'selector'
              ? 'on device'
              : meta.kind === 'backup'
                ? `[app/]${label.toUpperCase()}`
                : meta.kind;
  return { ...meta, key, written, values, optional: schema.safeParse(undefined).success };
}

function choices(schema: z.ZodType): readonly string[] {
  let inner: unknown = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner instanceof z.ZodEnum ? inner.options.map(String) : [];
}
