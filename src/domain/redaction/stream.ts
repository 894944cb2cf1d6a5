import { type Redactor, without } from '../redact.ts';

/** Text that comes in pieces, redacted: a secret that is in two of them is found all the same. */
export interface RedactingStream {
  write(piece: string | Uint8Array): void;
  /** What is held back is given out. Nothing comes after it. */
  end(): void;
}

/** So much is held back at the least: more than a private key with its lines, its names and its colours. */
const WINDOW = 8_192;

/**
 * Holds back as much as the longest secret needs, and gives out the rest in order. Holds at most four windows and one
 * piece; time is linear in what comes.
 *
 * @param give is given redacted text, never a part of a secret
 */
export function createRedactingStream(
  redactor: Redactor,
  give: (text: string) => void,
  { window = WINDOW }: { readonly window?: number } = {},
): RedactingStream {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  // Twice: colours and line ends may stand between its characters.
  const held = Math.max(window, Math.min(redactor.longest * 2, 8 * window));
  let rest = '';
  /** One that is longer than can be held is being left out, to its end. */
  let swallowing = false;

  function take(piece: string): void {
    // A piece of any size is worked on in parts, so that no more is held than was promised.
    for (let at = 0; at < piece.length; at += held) {
      rest += piece.slice(at, at + held);
      if (swallowing) swallow();
      if (rest.length >= 2 * held) pass();
    }
  }

  function swallow(): void {
    const end = rest.search(/\s/);
    if (end !== -1) swallowing = false;
    rest = end === -1 ? '' : rest.slice(end);
  }

  function pass(): void {
    const ranges = redactor.find(rest);
    let cut = rest.length - held;
    for (const [from, to] of [...ranges].reverse()) if (from < cut && to > cut) cut = from;
    // Names and values stay together: a line is given out whole, where lines have an end.
    const line = rest.lastIndexOf('\n', cut - 1) + 1;
    const inside = ranges.some(([from, to]) => from < line && to > line);
    if (line > 0 && !inside) cut = line;
    else if (cut > 0) cut = beforeWord(rest, cut);
    if (cut > 0) {
      give(
        redactor.redact(
          without(
            rest.slice(0, cut),
            ranges.filter(([, to]) => to <= cut),
          ),
        ),
      );
      rest = rest.slice(cut);
    } else if (rest.length >= 3 * held) {
      give(redactor.redact(without(rest, ranges)));
      swallowing = (ranges.at(-1)?.[1] ?? 0) >= rest.length;
      rest = '';
    }
  }

  return {
    write: (piece) => take(typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true })),
    end() {
      take(decoder.decode());
      if (rest !== '') give(redactor.redact(rest));
      rest = '';
    },
  };
}

/** The last gap between words before it, where one is near. */
function beforeWord(text: string, cut: number): number {
  for (let at = cut; at > Math.max(1, cut - 1_000); at -= 1) if (/\s/.test(text[at - 1] as string)) return at;
  return cut;
}
