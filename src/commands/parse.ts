import { distance } from 'fastest-levenshtein';
import { FettleError } from '../domain/errors.ts';
import type { Command } from './contract.ts';
import { bad, readArguments, type Surroundings } from './read-arguments.ts';
import { fold, splitWords, type Word } from './words.ts';

/**
 * The text grammar, derived from the declarations. A word finds its argument by what it is (an id, an app, a
 * version), so order matters only between command and arguments, and flags may stand anywhere.
 */

export interface Parsed {
  readonly command: Command;
  /** For {@link Command.run}; the schema has accepted it. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** It may mean several commands, or it only asks about one: the person is asked. */
export interface Unsure {
  readonly said: string;
  /** As text. */
  readonly choices: readonly string[];
}

/**
 * @throws {FettleError} `unknown_command` · `bad_arguments` · `unknown_app` · `unknown_update` · `app_needed`, each with what
 *   the catalogue and the buttons need. In `unknown_command`, `spoken` is true of a text that is no try at a command.
 */
export function parse(text: string, around: Surroundings): Parsed | Unsure {
  const folded = fold(text);
  const said = folded.startsWith('/') || QUOTED.test(folded) ? undefined : saidIn(folded, around);
  if (said && 'choices' in said) return said;
  const { command, words } = said ?? findCommand(folded, around);
  const raw = readArguments(command, words, around);
  const checked = command.check(raw);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const argument = command.arguments.find((a) => a.key === issue?.path[0]);
    throw bad(command, {
      problem: 'not_a_value',
      what: argument?.written ?? String(issue?.path[0] ?? ''),
      value: String(raw[argument?.key ?? ''] ?? ''),
    });
  }
  return { command, raw };
}

/** Quotes keep words together that a phrase would take apart. */
const QUOTED = /(?:^| )["'“”‘’「」『』]/u;

interface Found {
  readonly command: Command;
  readonly words: readonly Word[];
}

/** What a phrase means, where the text is one. */
function saidIn(text: string, around: Surroundings): Found | Unsure | undefined {
  const names = new Set(
    [...around.settings.apps.map(({ name }) => name), ...around.devices].map((n) => n.toLowerCase()),
  );
  const said = around.phrases.meaning(text, names);
  if (!said) return undefined;
  const [line = '', ...others] = said.commands;
  if (others.length > 0) return { said: text, choices: said.commands };
  const found = tryCommand(fold(line), around);
  // The configuration names a command that there is not.
  if (!found) throw new FettleError('unknown_command', { data: { typed: line.slice(0, 60), nearest: [], try: [] } });
  // A question changes nothing.
  if (said.question && found.command.role !== 'viewer') return { said: text, choices: [line] };
  return found;
}

function findCommand(text: string, around: Surroundings): Found {
  const direct = tryCommand(text, around);
  if (direct) return direct;
  const group = groupAlone(text, around);
  if (group) return group;
  const behind = text.startsWith('/') ? undefined : withRest(text, around);
  if (behind) return behind;
  const words = splitWords(text);
  const typed = words
    .slice(0, 3)
    .map((word) => word.text)
    .join(' ')
    .slice(0, 60);
  const nearest = withApp(words, around) ?? nearestCommands(words, around.commands).map((c) => `/${c.name}`);
  const spoken = !text.startsWith('/') && nearest.length === 0;
  throw new FettleError('unknown_command', { data: { typed, nearest, try: nearest, spoken } });
}

/** `/admin`, which is no command: what there is in it. */
function groupAlone(text: string, around: Surroundings): Found | undefined {
  const [group, ...more] = text.startsWith('/') ? commandWords(splitWords(text)) : [];
  if (group === undefined || more.length > 0) return undefined;
  return around.commands.some(({ name }) => name.startsWith(`${group} `))
    ? tryCommand(`/help ${group}`, around)
    : undefined;
}

/** The longest name or alias that the words begin with. */
function tryCommand(text: string, around: Surroundings): Found | undefined {
  const words = splitWords(text);
  const names = commandWords(words);
  let best: { command: Command; length: number } | undefined;
  for (const command of around.commands) {
    for (const name of [command.name, ...command.aliases]) {
      const parts = name.split(' ');
      if (parts.length > (best?.length ?? 0) && parts.every((part, i) => names[i] === part)) {
        best = { command, length: parts.length };
      }
    }
  }
  if (!best) return undefined;
  const rest = afterName(words, best.length);
  // `/update chekc`: with a bare command that takes no words, the second word was meant as a command.
  const first = rest.find((word) => !isFlag(word));
  const takesWords = best.command.arguments.some((a) => a.kind !== 'flag' && a.kind !== 'option');
  const group = around.commands.some((command) => command.name.startsWith(`${names[0]} `));
  if (best.length === 1 && first && !takesWords && group) return undefined;
  return { command: best.command, words: rest };
}

const isFlag = (word: Word) => !word.quoted && word.text.startsWith('-');

/**
 * The leading words as a command's name would have them: without flags, slash and `@bot`, lower case; a menu's
 * `/update_now` counts as two.
 */
function commandWords(words: readonly Word[]): string[] {
  const [first, ...rest] = words.filter((word) => !isFlag(word));
  if (!first || first.quoted) return [];
  const head = first.text
    .replace(/^\/+/, '')
    .replace(/@[\w-]*$/, '')
    .toLowerCase();
  return [...head.split('_'), ...rest.slice(0, 3).map((word) => (word.quoted ? '' : word.text.toLowerCase()))];
}

/** What is left without the `length` words of the name. */
function afterName(words: readonly Word[], length: number): readonly Word[] {
  const first = words.find((word) => !isFlag(word));
  const inFirst = (first?.text ?? '').split('@')[0]?.split('_').length ?? 1;
  let drop = Math.max(1, length - inFirst + 1);
  return words.filter((word) => {
    if (isFlag(word) || drop === 0) return true;
    drop -= 1;
    return false;
  });
}

/** A phrase with something behind it that is no known name: what it means says what is wrong with that. */
function withRest(text: string, around: Surroundings): Found | undefined {
  const words = text.split(' ');
  for (let length = Math.min(words.length - 1, MOST_WORDS); length > 0; length -= 1) {
    const said = around.phrases.meaning(words.slice(0, length).join(' '), NO_NAMES);
    const [line] = said?.commands.length === 1 ? said.commands : [];
    const found = line === undefined ? undefined : tryCommand(fold(line), around);
    if (found) return { command: found.command, words: [...found.words, ...splitWords(words.slice(length).join(' '))] };
  }
  return undefined;
}

/** Of a phrase. */
const MOST_WORDS = 8;
const NO_NAMES: ReadonlySet<string> = new Set();

function nearestCommands(words: readonly Word[], commands: readonly Command[]): readonly Command[] {
  const typed = commandWords(words).filter((word) => word !== '');
  const first = typed[0];
  if (first === undefined) return [];
  const scored = commands
    // Behind a group's name, another word was meant to be one of its commands.
    .filter(({ name }) => typed.length === 1 || name !== first)
    .flatMap((command) => [command.name, ...command.aliases].map((name) => ({ command, score: score(typed, name) })));
  const close = scored.filter((one) => one.score < FAR).sort((a, b) => a.score - b.score);
  return [...new Set(close.map(({ command }) => command))].slice(0, 3);
}

const FAR = 1_000;

/** How far what was typed is from a command's name; {@link FAR}: it is another word. */
function score(typed: readonly string[], name: string): number {
  const parts = name.split(' ');
  const same = typed.slice(0, parts.length).join(' ');
  if (same.length >= 3 && name.startsWith(same) && typed.length >= parts.length) return 0.5;
  const whole = distance(same, name);
  // `/check` for `/update check`
  const last = distance(typed[0] ?? '', parts.at(-1) ?? '') + (parts.length > 1 ? 0.5 : 0);
  const bound = (length: number) => Math.max(1, Math.floor(length / 3));
  return Math.min(
    whole <= bound((parts.at(-1) ?? '').length) + 1 ? whole : FAR,
    last <= bound((parts.at(-1) ?? '').length) + 0.5 ? last : FAR,
  );
}

/** `/update web`: which of the commands of that group was meant for the app? */
function withApp(words: readonly Word[], around: Surroundings): readonly string[] | undefined {
  const [group, app] = commandWords(words);
  if (!around.settings.apps.some(({ name }) => name === app)) return undefined;
  const fitting = around.commands.filter(
    (command) =>
      command.name.startsWith(`${group} `) &&
      command.arguments.some(({ kind, optional }) => kind === 'app' && !optional),
  );
  return fitting.length > 0 ? fitting.slice(0, 3).map((command) => `/${command.name} ${app}`) : undefined;
}
