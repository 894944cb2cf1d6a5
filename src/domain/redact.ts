import { findKeyBlocks } from './redaction/key-blocks.ts';
import { createKnownValues } from './redaction/known-values.ts';
import { findEnrolment, findShapes } from './redaction/shapes.ts';
import { decoded, joined, plainView, type Range, seen, unwrapped, type View } from './redaction/view.ts';

/**
 * Takes secrets out of text before people or logs see it: values that are known, and shapes that tokens have.
 * Pure, and linear in the text. Errs towards hiding: a hidden word costs a glance, a shown token an account.
 * What it hides and what it can't is in docs/redaction.md.
 */

/** What stands in a secret's place. */
export const HIDDEN = '[hidden]';

export interface RedactOptions {
  /**
   * Values that must never be shown (Fettle's own and the apps'), whatever they look like. Shorter than 4: ignored;
   * shorter than 6: hidden where they are a word of their own.
   */
  readonly secrets?: readonly string[] | undefined;
  /** Home folders, shown as `~`. Those under /home, /Users and /root are always. */
  readonly homes?: readonly string[] | undefined;
  /** Where the machine's own person reads, who has to type them: paths stay as they are. */
  readonly keepHomes?: boolean | undefined;
  /** Where one-time codes are handed out to who asked for them: the line that enrols a device stays. */
  readonly keepEnrolment?: boolean | undefined;
}

/** Repeating it changes nothing more. */
export type Redact = (text: string) => string;

/** What is to be hidden in a text: sorted, apart from each other. */
export type FindSecrets = (text: string) => readonly Range[];

/** {@link createRedactor}, and what a stream of text needs of it. */
export interface Redactor {
  readonly redact: Redact;
  readonly find: FindSecrets;
  /** So many characters must be seen together, so that a known value is recognised. */
  readonly longest: number;
}

/** Hiding something may bring together what is one more secret; it never takes as many rounds. */
const ROUNDS = 4;
/** Escapes inside of escapes: JSON in JSON in an address. */
const ESCAPED = 3;

const HOMES =
  /(?<![\w.~-])\/(?:(?:var\/|usr\/|export\/)?home|Users)\/[^\s/"'`:;,()<>[\]{}|\\?*&=]+|(?:(?<![\w.~/-])|(?<=file:\/\/))\/(?:var\/)?root(?=\/|\b(?![\w.-]))/g;

/** Makes the function that hides {@link RedactOptions.secrets} and everything that has a token's shape. */
export function createRedactor(options: RedactOptions = {}): Redact {
  return redactorOf(options).redact;
}

export function redactorOf(options: RedactOptions = {}): Redactor {
  const known = createKnownValues(options.secrets ?? []);
  const homes = [...(options.homes ?? [])]
    .map((home) => home.replace(/\/+$/, ''))
    .filter((home) => home.length > 1)
    .sort((a, b) => b.length - a.length);

  const find: FindSecrets = (text) => {
    const ranges: Range[] = [];
    const plain = seen(plainView(text));
    const look = (view: View, what: (text: string, found: (range: Range) => void) => void) =>
      what(view.text, (range) => ranges.push(view.original(range)));
    const values = (seenText: string, found: (range: Range) => void) => known.find(seenText).forEach(found);
    const cut = (seenText: string, found: (range: Range) => void) => known.findCut(seenText).forEach(found);
    const everything = (view: View) => {
      look(view, values);
      look(view, cut);
      look(view, findShapes);
      look(view, findKeyBlocks);
      if (!options.keepEnrolment) look(view, findEnrolment);
      const all = joined(view);
      if (all !== view) {
        look(all, values);
        look(all, cut);
      }
      const wrapped = unwrapped(view);
      if (wrapped !== view) look(wrapped, findShapes);
    };
    everything(plain);
    let view = plain;
    for (let depth = 0; depth < ESCAPED; depth += 1) {
      // What is not seen may be escaped itself.
      const next = seen(decoded(view));
      if (next === view) break;
      view = next;
      everything(view);
    }
    return merged(text, ranges);
  };

  const redact: Redact = (text) => {
    let result = text;
    for (let round = 0; round < ROUNDS; round += 1) {
      const ranges = find(result);
      if (ranges.length === 0) break;
      result = without(result, ranges);
    }
    if (options.keepHomes) return result;
    for (const home of homes) result = withHome(result, home);
    return /\/(?:home|Users|root)/.test(result) ? result.replace(HOMES, '~') : result;
  };
  return { redact, find, longest: known.longest };
}

/** Sorted, joined where they touch; what is hidden already is no secret. */
function merged(text: string, ranges: readonly Range[]): Range[] {
  const hidden = hiddenIn(text);
  const result: [number, number][] = [];
  let at = 0;
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = result.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) result.push([from, to]);
  }
  const open = result.filter((range) => {
    while (at < hidden.length && (hidden[at] as number) + HIDDEN.length <= range[0]) at += 1;
    for (let i = at; i < hidden.length && (hidden[i] as number) < range[1]; i += 1) {
      range[0] = Math.min(range[0], hidden[i] as number);
      range[1] = Math.max(range[1], (hidden[i] as number) + HIDDEN.length);
    }
    return text.slice(range[0], range[1]).replaceAll(HIDDEN, '').trim() !== '';
  });
  for (const range of open) {
    // An escape is hidden as a whole or not at all: what is left of JSON stays JSON.
    if (isEscaping(text, range[0] - 1)) range[0] -= 1;
    if (range[1] < text.length && range[1] - range[0] > 1 && isEscaping(text, range[1] - 1)) range[1] -= 1;
  }
  return open;
}

/** Does a backslash there stand for what follows it, and not for itself? */
function isEscaping(text: string, at: number): boolean {
  let count = 0;
  while (text[at - count] === '\\') count += 1;
  return count % 2 === 1;
}

function hiddenIn(text: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(HIDDEN); at !== -1; at = text.indexOf(HIDDEN, at + HIDDEN.length)) found.push(at);
  return found;
}

/** The text with {@link HIDDEN} in the place of each range. */
export function without(text: string, ranges: readonly Range[]): string {
  let result = '';
  let from = 0;
  for (const [start, end] of ranges) {
    result += text.slice(from, Math.max(from, start)) + (start >= from ? HIDDEN : '');
    from = Math.max(from, end);
  }
  return result + text.slice(from);
}

function withHome(text: string, home: string): string {
  let result = '';
  let from = 0;
  for (let at = text.indexOf(home); at !== -1; at = text.indexOf(home, from)) {
    const after = text[at + home.length];
    const whole = (after === undefined || !/[\w.-]/.test(after)) && !/[\w.~-]/.test(text[at - 1] ?? ' ');
    result += text.slice(from, at) + (whole ? '~' : home);
    from = at + home.length;
  }
  return result + text.slice(from);
}

/** What a data structure says in words, redacted; its keys, numbers and the like stay. */
export function redactDeep<T>(value: T, redact: Redact): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((one) => redactDeep(one, redact)) as T;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, redactDeep(one, redact)])) as T;
}

/**
 * Values of an app's environment that are secrets by their names, or that hold one: the password of an address, what has
 * such a name inside of JSON. Short ones are left: hiding `1` would hide everything.
 */
export function secretValues(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => [
    ...(isSecretName(name) && isTelling(value) && !HARMLESS.test(value) && !isPlace(name, value) ? [value] : []),
    ...secretsInside(value),
  ]);
}

/** Six characters, or four of which not all are letters: `main` would hide every branch of that name. */
const isTelling = (value: string) => value.length >= 6 || (value.length >= 4 && !/^[a-z]+$/i.test(value));

/**
 * Does a variable say where something is? Every shell sets `PWD`, every session some of the others: taken for a secret, the
 * folder that a person works in would be hidden wherever it is named. Base64 may begin with a slash, too, so the name counts.
 */
const isPlace = (name: string, value: string) =>
  /^(?:~|\.{0,2})\//.test(value) &&
  (/^(?:PWD|OLDPWD|XAUTHORITY|SSH_AUTH_SOCK)$|_(?:file|path|dir|folder|sock|socket)$/i.test(name) ||
    /^[\w@%+~./-]+\.(?:json|ya?ml|toml|conf|pem|key|crt|p12|pfx|txt|sock)$/i.test(value));

/** Values that are words of the settings of everybody. */
const HARMLESS =
  /^(?:true|false|null|none|auto|test|demo|token|basic|bearer|secret|password|changeme|default|example|localhost|production|development|disabled|enabled|required|optional|\d{1,5})$/i;

/** The passwords of addresses, and the values of JSON whose names say so. */
export function secretsInside(value: string): string[] {
  const found: string[] = [];
  if (!value.includes('://') && !value.includes('{')) return found;
  for (const match of value
    .slice(0, 20_000)
    .matchAll(/\b[a-z][a-z0-9+.-]{0,20}:\/\/([^\s/?#@:"'<>]{0,500}):([^\s/?#@"'<>]{1,500})@/gi)) {
    const [, user = '', password = ''] = match;
    found.push(password, Buffer.from(`${plain(user)}:${plain(password)}`).toString('base64'), plain(password));
  }
  if (/^\s*\{/.test(value) && value.length < 100_000) {
    try {
      walk(JSON.parse(value), found);
    } catch {
      // No JSON: nothing inside.
    }
  }
  return found.filter((one) => one.length >= 4);
}

function walk(value: unknown, found: string[]): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, one] of Object.entries(value)) {
    if (typeof one === 'string' && isSecretName(name) && !HARMLESS.test(one)) found.push(one);
    else walk(one, found);
  }
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Does a variable's name say that its value is a secret? */
export function isSecretName(name: string): boolean {
  return /token|secret|key|passw|passphrase|credential|auth(?!ors?(?:_|$))|cookie|(?:^|_)(?:pass|pwd|psk|dsn)$/i.test(
    name,
  );
}
