/**
 * A text as it is meant, with the way back to where each character stood: without what is not seen, with its escapes
 * read, with its wrapped lines joined. A secret that is told apart in none of these ways is told apart by nobody.
 */

/** From (inclusive) to (exclusive), in characters. */
export type Range = readonly [from: number, to: number];

export interface View {
  readonly text: string;
  /** The part of the original that a part of the view stands for. */
  original(range: Range): Range;
}

/** A text as it is. */
export const plainView = (text: string): View => ({ text, original: (range) => range });

/**
 * A view with each match replaced, or the same view where nothing matches.
 * @param read what is seen instead; `undefined` leaves the match as it is
 */
export function rewritten(of: View, pattern: RegExp, read: (match: RegExpExecArray) => string | undefined): View {
  const { text } = of;
  pattern.lastIndex = 0;
  const parts: string[] = [];
  /** Where each part begins in the view and in the text; the length of what was replaced, 0 for what was not. */
  const begins: number[] = [];
  const froms: number[] = [];
  const spans: number[] = [];
  let length = 0;
  let from = 0;
  let changed = false;
  const add = (part: string, at: number, span: number) => {
    if (part === '') return;
    parts.push(part);
    begins.push(length);
    froms.push(at);
    spans.push(span);
    length += part.length;
  };
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const seen = read(match);
    if (seen === undefined || match[0] === '') {
      if (match[0] === '') pattern.lastIndex += 1;
      continue;
    }
    changed = true;
    add(text.slice(from, match.index), from, 0);
    add(seen, match.index, match[0].length);
    from = match.index + match[0].length;
  }
  if (!changed) return of;
  add(text.slice(from), from, 0);

  /** The part that a character of the view is in. */
  const partOf = (index: number): number => {
    let low = 0;
    let high = begins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((begins[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    text: parts.join(''),
    original([start, end]) {
      if (end <= start) return [0, 0];
      const first = partOf(start);
      const last = partOf(end - 1);
      const a = (froms[first] as number) + (spans[first] === 0 ? start - (begins[first] as number) : 0);
      const b = (froms[last] as number) + (spans[last] || end - (begins[last] as number));
      return of.original([a, b]);
    },
  };
}

/** Colours and cursor movements, zero-width and direction characters, control characters but tab and line ends. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\x1b\[[0-?]{0,40}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\p{Default_Ignorable_Code_Point}/gu;

/** Without what nobody sees. */
export const seen = (of: View): View => rewritten(of, UNSEEN, () => '');

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', quot: '"', apos: "'", lt: '<', gt: '>', nbsp: ' ' };
const LETTERS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', '0': '\0' };
const ESCAPE =
  /'\\''|'"'"'|%([0-9a-f]{2})|\\u\{?([0-9a-f]{4})\}?|\\x([0-9a-f]{2})|\\([0-3][0-7]{2})|\\([nrtbfv])|\\([^\w\s]| )|&(?:(amp|quot|apos|lt|gt|nbsp)|#(\d{1,6})|#x([0-9a-f]{1,5}));/gi;

/** Escapes of addresses, JSON, JavaScript, C, shells and HTML read, once. Bytes become the characters of their number. */
export function decoded(of: View): View {
  if (!/[%\\&']/.test(of.text)) return of;
  return rewritten(of, ESCAPE, ([, percent, unit, byte, octal, letter, sign, entity, decimal, hex]) => {
    const hexadecimal = percent ?? unit ?? byte ?? hex;
    if (hexadecimal !== undefined) return character(Number.parseInt(hexadecimal, 16));
    if (octal !== undefined) return character(Number.parseInt(octal, 8));
    if (decimal !== undefined) return character(Number(decimal));
    if (letter !== undefined) return LETTERS[letter.toLowerCase()];
    if (entity !== undefined) return ENTITIES[entity.toLowerCase()];
    return sign ?? "'";
  });
}

const character = (code: number): string | undefined => (code <= 0x10_ffff ? String.fromCodePoint(code) : undefined);

/** Lines joined, whatever stands at their beginnings: spaces, quotes and the marks of quoted text. */
export function joined(of: View): View {
  return of.text.includes('\n') ? rewritten(of, /[ \t]{0,8}["']?[\\+]?\r?\n[ \t>|#"']{0,40}/g, () => '') : of;
}

/** A line this long may have been wrapped. */
const WRAPPED = 56;

/** Only lines joined that look wrapped: a long one that ends, and another that begins, as a token or a key may go on. */
export function unwrapped(of: View): View {
  if (!of.text.includes('\n')) return of;
  let before = 0;
  return rewritten(of, /(?<=[\w+/=.~-])\\?\r?\n[ \t]{0,40}(?=[\w+/=.~-])/g, ({ 0: whole, index }) => {
    const from = of.text.lastIndexOf('\n', index - 1) + 1;
    const length = index - Math.max(from, before);
    before = index + whole.length;
    return length >= WRAPPED && !of.text.slice(from, index).slice(-WRAPPED).includes(' ') ? '' : undefined;
  });
}
