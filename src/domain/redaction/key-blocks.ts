import type { Range } from './view.ts';

/** Private keys over several lines: PEM, OpenSSH, PGP, PuTTY; also where the text begins or ends inside of one. */

const BEGIN = /-{4,5} ?BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY[A-Z0-9 ]{0,20}-{4,5}/;
const END = /-{4,5} ?END [A-Z0-9 ]{0,60}PRIVATE KEY[A-Z0-9 ]{0,20}-{4,5}/;
const PUTTY = /^.{0,200}\bPrivate-Lines: ?\d+/;
/** Before base64: a log's prefix. Behind it: what programs put at the end of a line of a text that they print. */
const PREFIXED = /(?:^|[\s'"|>])[A-Za-z0-9+/=]{16,}(?:\\n)?["',\\+\s]*$/;
const SHORT = /^[\s'"]*[A-Za-z0-9+/=]{1,76}(?:\\n)?["',\\+\s]*$/;
const BESIDE = /^\s*(?:(?:Proc-Type|DEK-Info|Version|Comment|Private-MAC|Hash|Charset):.*|["'+\\,|>\s]*)$/;

const isKeyLine = (line: string) => SHORT.test(line) || PREFIXED.test(line.slice(-400)) || BESIDE.test(line);

export function findKeyBlocks(text: string, found: (range: Range) => void): void {
  if (!text.includes('PRIVATE KEY') && !text.includes('Private-Lines')) return;
  /** Where the lines begin that may be the rest of a key whose beginning is cut off. */
  let rest: number | undefined;
  /** Where the block begins that this line is in, and where the last line ended that is its. */
  let from: number | undefined;
  let to = 0;
  const close = () => {
    if (from !== undefined && to > from) found([from, to]);
    from = undefined;
  };
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    const begin = line.includes('---') ? BEGIN.exec(line) : null;
    const ends = line.includes('---') ? lastOf(END, line) : undefined;
    if (begin) {
      close();
      from = start + begin.index;
      // On one line, as escapes have it: to its end; else all that follows.
      const whole = ends !== undefined && ends > begin.index;
      to = whole ? start + ends : end;
      if (whole) close();
    } else if (ends !== undefined) {
      from ??= rest ?? start;
      to = start + ends;
      close();
    } else if (from !== undefined) {
      if (isKeyLine(line)) to = end;
      else close();
    } else if (PUTTY.test(line)) {
      from = end;
      to = end;
    }
    const maybe = /^\s*[A-Za-z0-9+/=]{4,}\s*$/.test(line) && from === undefined && ends === undefined;
    rest = maybe ? (rest ?? start) : undefined;
    start = end + 1;
  }
  close();
}

/** Where the last match in a line ends. */
function lastOf(pattern: RegExp, line: string): number | undefined {
  const match = pattern.exec(line);
  return match ? match.index + match[0].length : undefined;
}
