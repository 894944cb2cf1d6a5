import { FettleError } from '../domain/errors.ts';

/** From what was typed to words. Pure; linear in the text. */

/** One word of a command. */
export interface Word {
  readonly text: string;
  /** Written in quotes: never a flag or a keyword. */
  readonly quoted: boolean;
}

/** Longer texts are no commands. */
const MAX_LENGTH = 2_000;

/** Quotes that keyboards and phones make, by the one that closes each. */
const QUOTES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '“': '””“"',
  '”': '”"',
  '‘': "’‘'",
  '「': '」',
  '『': '』',
};

/**
 * Folds what keyboards make of a command: full-width forms (`／update`), dashes that phones join (`—force`),
 * invisible characters, odd spaces.
 */
export function fold(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Cc}\p{Zs}\p{Zl}\p{Zp}]/gu, (c) => (/[\p{Cf}]/u.test(c) ? '' : ' '))
    .replace(/(^| )(?:—|––|−−|―|⸺)(?=[\p{L}])/gu, '$1--')
    .replace(/ +/g, ' ')
    .trim();
}

/**
 * Splits into words; quotes keep spaces together.
 *
 * @throws {FettleError} `bad_arguments` where a quote is not closed or the text is too long
 */
export function splitWords(text: string): readonly Word[] {
  if (text.length > MAX_LENGTH) throw new FettleError('bad_arguments', { data: { problem: 'too_long' } });
  const words: Word[] = [];
  let current = '';
  let quoted = false;
  let closing: string | undefined;
  const push = () => {
    if (current !== '' || quoted) words.push({ text: current, quoted });
    current = '';
    quoted = false;
  };
  let previous = '';
  for (const character of text) {
    if (closing !== undefined) {
      if (closing.includes(character)) closing = undefined;
      else current += character;
    } else if (character === ' ') {
      push();
    } else if (QUOTES[character] !== undefined && (current === '' || previous === '=')) {
      closing = QUOTES[character];
      quoted = current === '';
    } else {
      current += character;
    }
    previous = character;
  }
  if (closing !== undefined) throw new FettleError('bad_arguments', { data: { problem: 'quote' } });
  push();
  return words;
}
