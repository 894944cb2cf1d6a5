import type { Command } from '../../config/agent-schema.ts';

/**
 * Splits a command line into words as a shell would, for quotes and backslashes alone: no variables, no globs,
 * no substitution. An unclosed quote ends with the text.
 */
export function splitCommand(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] as string;
    if (char === '\\' && quote !== "'" && i + 1 < text.length) {
      i += 1;
      word = (word ?? '') + text[i];
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** The words of a command, however it is written. */
export function words(command: Command): readonly string[] {
  return typeof command === 'string' ? splitCommand(command) : command;
}
