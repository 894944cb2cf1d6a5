import type { Range } from './view.ts';

/** Finds values that are known, in each spelling that logs give them, in one pass however many there are. */

export interface KnownValues {
  /** Where one stands. */
  find(text: string): Range[];
  /** Where the text ends in the beginning of one, or begins with the end of one: it was cut there. */
  findCut(text: string): Range[];
  /** Characters of the longest spelling. */
  readonly longest: number;
}

/** `word`: only where it stands alone. `run`: with all of the encoded text around it. */
type How = 'exact' | 'word' | 'run';

/** Shorter values are hidden by the names beside them alone: hiding `on` or `123` everywhere would hide everything. */
const SHORTEST = 4;
/** Shorter values are hidden where they stand alone, and not where they are a part of a word. */
const WORDS = 6;
/** A line of a longer value (a private key) that is told from a word. */
const LINE = 16;
/** As much of a value as tells that it was cut. */
const CUT = 8;
const KEY = 4;

export function createKnownValues(secrets: readonly string[]): KnownValues {
  const spellings = new Map<string, How>();
  for (const secret of secrets) addSpellings(spellings, secret);
  /** By the first characters, so that most of a text is passed over by one look. */
  const byStart = new Map<string, [string, How][]>();
  const marks = new Uint8Array(spellings.size === 0 ? 0 : 8_192);
  let longest = 0;
  for (const [spelling, how] of spellings) {
    const start = spelling.slice(0, KEY);
    byStart.set(start, [...(byStart.get(start) ?? []), [spelling, how]]);
    marks[hashAt(start, 0)] = 1;
    longest = Math.max(longest, spelling.length);
  }
  for (const same of byStart.values()) same.sort(([a], [b]) => b.length - a.length);
  const exact = [...spellings].filter(([text, how]) => how === 'exact' && text.length > CUT).map(([text]) => text);

  return {
    longest,
    find(text) {
      const found: Range[] = [];
      if (spellings.size === 0) return found;
      for (let at = 0; at + KEY <= text.length; at += 1) {
        if (marks[hashAt(text, at)] === 0) continue;
        for (const [spelling, how] of byStart.get(text.slice(at, at + KEY)) ?? []) {
          if (!text.startsWith(spelling, at)) continue;
          const end = at + spelling.length;
          if (how === 'word' && (isWord(text, at - 1) || isWord(text, end))) continue;
          const range = how === 'run' ? runAround(text, at, end) : ([at, end] as const);
          found.push(range);
          at = Math.max(at, range[1] - 1);
          break;
        }
      }
      return found;
    },
    findCut(text) {
      const end =
        text.length - (/(?:…|\.\.\.)\s*$/.exec(text)?.[0].length ?? /\s*$/.exec(text.slice(-8))?.[0].length ?? 0);
      const begin = /^\s{0,8}(?:…|\.\.\.)?/.exec(text)?.[0].length ?? 0;
      const found: Range[] = [];
      for (const value of exact) {
        const head = value.slice(0, CUT);
        const from = Math.max(0, end - value.length + 1);
        for (let at = text.indexOf(head, from); at !== -1 && at + CUT <= end; at = text.indexOf(head, at + 1)) {
          if (value.startsWith(text.slice(at, end))) found.push([at, end]);
        }
        const tail = value.slice(-CUT);
        const till = text.slice(begin, begin + value.length - 1);
        for (let at = till.indexOf(tail); at !== -1; at = till.indexOf(tail, at + 1)) {
          if (value.endsWith(till.slice(0, at + CUT))) found.push([begin, begin + at + CUT]);
        }
      }
      return found;
    },
  };
}

function hashAt(text: string, at: number): number {
  return (
    (text.charCodeAt(at) * 31 +
      text.charCodeAt(at + 1) * 1_009 +
      text.charCodeAt(at + 2) * 4_057 +
      text.charCodeAt(at + 3) * 7_919) &
    8_191
  );
}

const isWord = (text: string, at: number) => at >= 0 && at < text.length && /[\p{L}\p{N}_]/u.test(text[at] as string);

/** What is encoded together with a secret is hidden together with it: at its edges both share characters. */
function runAround(text: string, from: number, to: number): Range {
  let [start, end] = [from, to];
  while (start > 0 && isEncoded(text.charCodeAt(start - 1))) start -= 1;
  while (end < text.length && isEncoded(text.charCodeAt(end))) end += 1;
  while (end < text.length && text[end] === '=') end += 1;
  return [start, end];
}

/** A character of base64 or base64url. */
const isEncoded = (code: number) =>
  (code >= 65 && code <= 90) ||
  (code >= 97 && code <= 122) ||
  (code >= 48 && code <= 57) ||
  code === 43 ||
  code === 45 ||
  code === 47 ||
  code === 95;

function addSpellings(all: Map<string, How>, secret: string): void {
  const add = (text: string, how: How) => {
    if (text.length >= SHORTEST && all.get(text) !== 'exact') all.set(text, how);
  };
  const meant = secret.trim();
  if (meant.length < SHORTEST) return;
  const lines = meant.split(/[\r\n]+/).map((line) => line.trim());
  if (lines.length > 1) {
    for (const line of lines) if (line.length >= LINE && !line.includes('-----')) addSpellings(all, line);
  }
  const short = meant.length < WORDS;
  for (const form of new Set([secret, meant, meant.normalize('NFC'), meant.normalize('NFD')])) {
    if (form.length < SHORTEST) continue;
    const bytes = Buffer.from(form);
    add(form, short ? 'word' : 'exact');
    // As escapes of bytes are read.
    add(bytes.toString('latin1'), short ? 'word' : 'exact');
    if (form.includes(' ')) add(form.replaceAll(' ', '+'), 'exact');
    add(JSON.stringify(form).slice(1, -1), short ? 'word' : 'exact');
    try {
      const percent = encodeURIComponent(form);
      add(percent, short ? 'word' : 'exact');
      add(percent.replaceAll('%20', '+'), short ? 'word' : 'exact');
    } catch {
      // A lone surrogate has no spelling in an address.
    }
    addEncoded(add, bytes, short);
  }
}

/** Base64 wherever it begins in what is encoded, hexadecimal, and the bytes as programs print them. */
function addEncoded(add: (text: string, how: How) => void, bytes: Buffer, short: boolean): void {
  const base64 = bytes.toString('base64').replace(/=+$/, '');
  if (short) {
    add(base64, 'word');
  } else {
    for (const before of [0, 1, 2]) {
      const encoded = Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      // Its first and last character may hold bits of what stands around it.
      const inner = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
      add(inner, 'run');
      add(inner.replaceAll('+', '-').replaceAll('/', '_'), 'run');
    }
  }
  const hex = bytes.toString('hex');
  const pairs = hex.match(/../g) ?? [];
  for (const spelling of [hex, pairs.join(' '), pairs.join(':')]) {
    add(spelling, short ? 'word' : 'exact');
    add(spelling.toUpperCase(), short ? 'word' : 'exact');
  }
  if (!short) for (const between of [',', ', ']) add([...bytes].join(between), 'word');
}
