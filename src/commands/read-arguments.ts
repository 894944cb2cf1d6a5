import { distance } from 'fastest-levenshtein';
import { FettleError } from '../domain/errors.ts';
import { readVersion } from '../domain/version.ts';
import type { Argument, Command } from './contract.ts';
import type { PhraseBook } from './phrases.ts';
import type { Settings } from './services.ts';
import { usage } from './usage.ts';
import type { Word } from './words.ts';

/** What the parser has to know about the world. */
export interface Surroundings {
  readonly commands: readonly Command[];
  readonly settings: Settings;
  /** Names and ids. */
  readonly devices: readonly string[];
  /** What people say instead of commands. */
  readonly phrases: PhraseBook;
}

const UPDATE_ID = /^u-[a-z0-9]{2,20}$/;
/** Looks like a version even where it is none (`1.2`, `v3`). */
const VERSION_LIKE = /^v?\d/i;
/** `web/3`, `3`, `#3`. */
const BACKUP_WORD = /^(?:(?<app>[a-z][a-z0-9_-]*)\/)?#?(?<seq>\d{1,9})$/;
/** A version that a source may have, in any spelling. */
const VERSION_WORD = /^[\w.+~-]{1,100}$/;

/** Reads what stands behind a command's name. The schema has the last word; see `parse.ts`. */
export function readArguments(
  command: Command,
  words: readonly Word[],
  around: Surroundings,
): Readonly<Record<string, unknown>> {
  const raw: Record<string, unknown> = {};
  const loose: Word[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i];
    if (!word) break;
    if (word.quoted || !/^--?[\p{L}]/u.test(word.text)) {
      loose.push(word);
      continue;
    }
    const taken = readFlag(command, word.text, words[i + 1], raw);
    if (taken) i += 1;
  }
  for (const word of takeSelector(command, loose, raw)) placeWord(command, word, raw, around);
  for (const argument of command.arguments) {
    if (raw[argument.key] !== undefined || argument.optional) continue;
    // What stands there is none, and was taken for the text behind it.
    if (argument.kind === 'device' && loose[0]) throw unknownDevice(loose[0].text, around);
    if (argument.kind !== 'app') throw bad(command, { problem: 'missing', what: argument.written });
    raw[argument.key] = meantApp(command, raw, around.settings);
  }
  return raw;
}

function unknownDevice(typed: string, { devices }: Surroundings): FettleError {
  const names = devices.filter((name) => !/^d-[0-9a-f]{8}-/.test(name));
  return new FettleError('unknown_device', { data: { typed: typed.slice(0, 60), known: names.slice(0, 10) } });
}

/** `on NAME`: two words, wherever they stand. Answers the others. */
function takeSelector(command: Command, words: readonly Word[], raw: Record<string, unknown>): readonly Word[] {
  const argument = command.arguments.find(({ kind }) => kind === 'selector');
  const at = argument ? words.findIndex((word) => !word.quoted && word.text.toLowerCase() === 'on') : -1;
  if (!argument || at < 0) return words;
  const value = words[at + 1]?.text;
  if (value === undefined) throw bad(command, { problem: 'value_needed', what: 'on' });
  raw[argument.key] = value;
  return [...words.slice(0, at), ...words.slice(at + 2)];
}

/** True where the flag took the next word as its value. */
function readFlag(command: Command, text: string, next: Word | undefined, raw: Record<string, unknown>): boolean {
  const [name = '', ...values] = text.replace(/^-+/, '').split('=');
  const flags = command.arguments.filter((a) => a.kind === 'flag' || a.kind === 'option');
  const argument = flags.find((flag) => flagName(flag) === name.toLowerCase());
  if (!argument) {
    const names = flags.map((flag) => `--${flagName(flag)}`);
    const near = names.filter((flag) => distance(flag, `--${name.toLowerCase()}`) <= 3);
    throw bad(command, { problem: 'unknown_flag', what: text.slice(0, 40), nearest: near.slice(0, 1) });
  }
  if (argument.kind === 'flag') {
    if (values.length > 0) throw bad(command, { problem: 'unexpected', what: text.slice(0, 40) });
    raw[argument.key] = true;
    return false;
  }
  const inline = values.length > 0 ? values.join('=') : undefined;
  const value = inline ?? next?.text;
  if (value === undefined || value === '') {
    throw bad(command, { problem: 'value_needed', what: `--${flagName(argument)}` });
  }
  const before = argument.many && raw[argument.key] !== undefined ? `${String(raw[argument.key])},` : '';
  raw[argument.key] = `${before}${value}`;
  return inline === undefined;
}

function flagName(argument: Argument): string {
  return argument.written.slice(2).split(' ')[0] ?? '';
}

const SWITCHES: ReadonlyMap<string, string> = new Map([
  ['开', 'on'],
  ['开启', 'on'],
  ['打开', 'on'],
  ['关', 'off'],
  ['关闭', 'off'],
]);

/** Gives a word to the argument that it fits. */
function placeWord(command: Command, word: Word, raw: Record<string, unknown>, around: Surroundings): void {
  const free = (kind: Argument['kind']) =>
    command.arguments.find((argument) => argument.kind === kind && raw[argument.key] === undefined);
  const text = word.text;
  const lower = text.toLowerCase();
  const apps = appNames(around.settings);

  const choice = free('choice');
  if (choice && !word.quoted) {
    const value = SWITCHES.get(lower) ?? lower;
    if (choice.values.includes(value)) {
      raw[choice.key] = value;
      return;
    }
  }
  const id = free('update');
  if (id && UPDATE_ID.test(lower)) {
    raw[id.key] = lower;
    return;
  }

  const app = free('app');
  const version = free('version');
  const backup = free('backup');
  const named = backup && BACKUP_WORD.exec(lower)?.groups;
  if (backup && named && (named.app === undefined || app)) {
    if (app && named.app !== undefined) raw[app.key] = knownApp(named.app, command, around);
    raw[backup.key] = named.seq;
    return;
  }
  if (backup && lower.includes('/')) {
    throw bad(command, { problem: 'not_a_value', what: backup.written, value: text.slice(0, 40) });
  }
  const at = text.indexOf('@');
  if (at !== -1 && version && (app || at === 0)) {
    const name = lower.slice(0, at);
    if (app && name !== '') raw[app.key] = knownApp(name, command, around);
    const wanted = text.slice(at + 1);
    if (wanted === '' || !VERSION_WORD.test(wanted)) {
      throw bad(command, { problem: 'not_a_value', what: 'version', value: wanted.slice(0, 40) });
    }
    setVersion(version, wanted, raw);
    return;
  }
  if (app && apps.includes(lower)) {
    raw[app.key] = lower;
    return;
  }

  const device = free('device');
  const deviceName = device && around.devices.find((name) => name.toLowerCase() === lower);
  if (device && deviceName !== undefined) {
    raw[device.key] = deviceName;
    return;
  }

  if (device && !command.arguments.some(({ kind }) => ['app', 'text', 'version'].includes(kind))) {
    throw unknownDevice(text, around);
  }

  // Behind an app's name, or where it looks like one, a word is a version; whether there is such a version
  // is for its source to say.
  const appGiven = command.arguments.some((a) => a.kind === 'app' && raw[a.key] !== undefined);
  if (version && (VERSION_LIKE.test(text) || appGiven || lower === 'latest') && VERSION_WORD.test(text)) {
    setVersion(version, text, raw);
    return;
  }
  const rest = command.arguments.find((argument) => argument.kind === 'text');
  if (rest) {
    const before = raw[rest.key];
    raw[rest.key] = before === undefined ? text : `${String(before)} ${text}`;
    return;
  }
  if (id && /^u-/.test(lower)) throw new FettleError('unknown_update', { data: { id: lower.slice(0, 40) } });
  const near = choice ? nearestOf(lower, choice.values) : [];
  // `auto of web`: nearer to a choice than to any app.
  if (app && (near.length === 0 || nearestOf(lower, apps).length > 0)) knownApp(lower, command, around);
  throw bad(command, { problem: 'unexpected', what: text.slice(0, 40), nearest: near.slice(0, 1) });
}

/** `latest` is what no version means. */
function setVersion(argument: Argument, text: string, raw: Record<string, unknown>): void {
  if (text.toLowerCase() !== 'latest') raw[argument.key] = readVersion(text) ?? text;
}

function appNames(settings: Settings): readonly string[] {
  return settings.apps.map((app) => app.name);
}

function knownApp(name: string, command: Command, around: Surroundings): string {
  const apps = appNames(around.settings);
  if (apps.includes(name)) return name;
  const nearest = nearestOf(name, apps);
  throw new FettleError('unknown_app', {
    data: {
      typed: name.slice(0, 40),
      nearest,
      apps: apps.slice(0, 10),
      try: nearest.map((app) => `/${command.name} ${app}`),
    },
  });
}

/** No app given: the default one, else the only one besides hub and agent, else a question. */
function meantApp(command: Command, raw: Readonly<Record<string, unknown>>, settings: Settings): string {
  const apps = appNames(settings);
  if (settings.defaultApp !== undefined && apps.includes(settings.defaultApp)) return settings.defaultApp;
  const own = apps.filter((app) => app !== 'hub' && app !== 'agent');
  if (own.length === 1 && own[0] !== undefined) return own[0];
  const version = command.arguments.find((argument) => argument.kind === 'version');
  const at = version && typeof raw[version.key] === 'string' ? `@${String(raw[version.key])}` : '';
  const backup = command.arguments.find((argument) => argument.kind === 'backup');
  const which = backup && raw[backup.key] !== undefined ? `/${String(raw[backup.key])}` : '';
  // What was said beside the app is not asked again, and not forgotten.
  const chosen = command.arguments
    .filter((argument) => argument.kind === 'choice' && raw[argument.key] !== undefined)
    .map((argument) => ` ${String(raw[argument.key])}`)
    .join('');
  const flags = command.arguments
    .filter((argument) => argument.kind === 'flag' && raw[argument.key] === true)
    .map((argument) => ` ${argument.written}`)
    .join('');
  const selector = command.arguments.find((argument) => argument.kind === 'selector');
  const on = selector && raw[selector.key] !== undefined ? ` on ${String(raw[selector.key])}` : '';
  throw new FettleError('app_needed', {
    data: {
      command: command.name,
      apps: own.slice(0, 10),
      try: own.slice(0, 10).map((app) => `/${command.name}${chosen} ${app}${at}${which}${on}${flags}`),
    },
  });
}

/** Names that somebody who typed `word` may have meant; nearest first, at most three. */
export function nearestOf(word: string, names: readonly string[]): readonly string[] {
  return names
    .map((name) => ({ name, score: name.startsWith(word) && word !== '' ? 0.5 : distance(word, name) }))
    .filter(({ name, score }) => score <= Math.max(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.score - b.score)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** A refusal that shows how the command is written. */
export function bad(command: Command, data: Readonly<Record<string, string | readonly string[]>>): FettleError {
  return new FettleError('bad_arguments', { data: { command: command.name, usage: usage(command), ...data } });
}
