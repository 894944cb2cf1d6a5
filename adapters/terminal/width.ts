/** How wide text is in a terminal's columns, and cutting it by that. Text has no control characters (see `clean`). */

let segmenter: Intl.Segmenter | undefined;

/** Made at the first text that is not plain ASCII: it brings megabytes of Unicode's tables, and the hub imports this. */
function segments(text: string): Iterable<Intl.SegmentData> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return segmenter.segment(text);
}

/** Columns of one grapheme: 2 for East Asian wide and emoji, 0 for marks alone. */
function columnsOf(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^\p{M}|^[\u200b-\u200f\u2060\ufeff]/u.test(grapheme)) return 0;
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(grapheme)) return 2;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0x303e) ||
    (code >= 0x3041 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segments(text)) width += columnsOf(segment);
  return width;
}

/** At most `width` columns; what is cut ends in `…`. */
export function truncate(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let result = '';
  let used = 0;
  for (const { segment } of segments(text)) {
    const next = columnsOf(segment);
    if (used + next > width - 1) break;
    result += segment;
    used += next;
  }
  return `${result}…`;
}

/** Lines of at most `width` columns, broken at spaces where there are any, between wide characters, else anywhere. */
export function wrap(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, Math.max(4, width)));
}

function wrapLine(line: string, width: number): readonly string[] {
  if (widthOf(line) <= width) return [line];
  const lines: string[] = [];
  let current = '';
  let used = 0;
  for (const piece of pieces(line)) {
    let rest = piece;
    let size = widthOf(rest.trimEnd());
    if (used + size > width && current !== '') {
      lines.push(current.trimEnd());
      current = '';
      used = 0;
    }
    while (size > width) {
      const head = takeColumns(rest, width);
      lines.push(head);
      rest = rest.slice(head.length);
      size = widthOf(rest.trimEnd());
    }
    current += rest;
    used += widthOf(rest);
  }
  if (current.trim() !== '') lines.push(current.trimEnd());
  return lines;
}

/** Words with the spaces behind them; each wide character is a piece of its own. */
function pieces(line: string): readonly string[] {
  const result: string[] = [];
  let current = '';
  let closed = false;
  for (const { segment } of segments(line)) {
    const wide = columnsOf(segment) === 2;
    const space = segment === ' ';
    const opening = !/[。，、；：？！）》」』”]/.test(segment);
    if (current !== '' && !space && (closed || wide) && opening) {
      result.push(current);
      current = '';
    }
    current += segment;
    closed = space || wide;
  }
  if (current !== '') result.push(current);
  return result;
}

function takeColumns(text: string, width: number): string {
  let result = '';
  let used = 0;
  for (const { segment } of segments(text)) {
    const next = columnsOf(segment);
    if (used + next > width && result !== '') break;
    result += segment;
    used += next;
  }
  return result;
}

/** Fills with spaces to `width` columns. */
export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Without control characters, escape sequences and marks that turn text around: a log must not drive the terminal. */
export function clean(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      .replace(/\t/g, '    ')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b./g, '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, '')
  );
}
