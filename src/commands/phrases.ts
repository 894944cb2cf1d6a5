import type { Command } from './contract.ts';
import { fold } from './words.ts';

/**
 * What people say to the bot instead of a command. A phrase counts only where it is all that was said, beside politeness
 * and what the command is about (`请把 web 更新到 3.0.1 谢谢`), so that a sentence in which the word occurs begins nothing.
 * Spaces, punctuation, full-width forms and case do not matter. Pure.
 */
export interface PhraseBook {
  /** What a text says; `undefined` where it is no phrase. */
  meaning(text: string, names: ReadonlySet<string>): Said | undefined;
  /** Commands of phrases that occur in a text, the longest first: what somebody may have meant. */
  heard(text: string): readonly string[];
}

/** The commands that were said, with their arguments, as text: several where a phrase may mean several things. */
export interface Said {
  readonly commands: readonly string[];
  /** `restart?` asks about it; `could you restart?` asks for it. */
  readonly question: boolean;
}

/** Phrase → command, or several of which one may be meant. */
export type Phrases = Readonly<Record<string, string | readonly string[]>>;

/** @param configured wins over what the commands declare */
export function createPhraseBook(commands: readonly Command[], configured: Phrases): PhraseBook {
  const table = new Map<string, readonly string[]>();
  for (const { name, phrases } of commands) {
    for (const { say, args } of phrases) {
      const line = [`/${name}`, args].filter((part) => part !== '').join(' ');
      // Two commands claim it: it is ambiguous.
      table.set(keyOf(say), [...(table.get(keyOf(say)) ?? []), line]);
    }
  }
  for (const [say, means] of Object.entries(configured)) {
    table.set(keyOf(say), typeof means === 'string' ? [means] : means);
  }
  table.delete('');
  const names = new Set(commands.flatMap((command) => [command.name, ...command.aliases]));
  const chosen = new Set(Object.keys(configured).map(keyOf));

  return {
    meaning(text, known) {
      if (text.length > LONGEST) return undefined;
      const said = tokens(text);
      const whole = join(said);
      // A command's own name is that command, unless the configuration says otherwise.
      if (names.has(whole) && !chosen.has(whole)) return undefined;
      const asks = /[?？]\s*$/u.test(text);
      const exact = table.get(whole);
      if (exact) return { commands: exact, question: asks };
      const about = said.filter((word) => isAbout(word, known));
      const rest = said.filter((word) => !isAbout(word, known));
      for (const { key, polite } of readings(join(rest))) {
        const found = table.get(key);
        if (!found) continue;
        const args = about.map((word) => ` ${word}`).join('');
        return { commands: found.map((command) => `${command}${args}`), question: asks && !polite };
      }
      return undefined;
    },
    heard(text) {
      const whole = join(tokens(text.slice(0, LONGEST)));
      const found = [...table].filter(([key]) => occursIn(key, whole)).sort(([a], [b]) => b.length - a.length);
      return [...new Set(found.flatMap(([, commands]) => commands))];
    },
  };
}

/** Nobody says more than that to have one thing done. */
const LONGEST = 200;

/** A Chinese character is a word; a word in another script may hold what names and versions hold. */
const WORD = /\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{N}@_+/#.-])+/gu;

function tokens(text: string): readonly string[] {
  const plain = fold(text).toLowerCase().replace(/['’`]/gu, '');
  return [...plain.matchAll(WORD)].map(([word]) => word.replace(/^[./#]+|[./#@+-]+$/gu, '')).filter((w) => w !== '');
}

const HAN = /^\p{Script=Han}$/u;

/** `重启一下`, `update now`: spaces stand between words that are not Chinese. */
function join(words: readonly string[]): string {
  return words.reduce((text, word, i) => {
    const glued = HAN.test(word) && HAN.test(words[i - 1] ?? '');
    return `${text}${i === 0 || glued ? '' : ' '}${word}`;
  }, '');
}

const keyOf = (phrase: string) => join(tokens(phrase));

/** Names an app, a device, a version, a backup or an update, or is a flag. */
function isAbout(word: string, names: ReadonlySet<string>): boolean {
  return (
    names.has(word) ||
    names.has(word.split(/[@/]/)[0] ?? '') ||
    /^(?:v?\d[\w.+-]*|u-[a-z0-9]{2,20}|--?[a-z][\w-]*)$/.test(word)
  );
}

const POLITE_FIRST =
  /^(?:请问|请你|请|麻烦你|麻烦|拜托|劳驾|帮我们|帮我|帮忙|给我|能不能|能否|可不可以|可以|你能|您能|你|您|hi|hey|ok|okay|please|pls|kindly|can you|could you|would you|will you|can we|lets|let us)\s*/u;
const POLITE_LAST =
  /\s*(?:一下子|一下|吧|啦|啊|呀|哦|呗|谢谢你|谢谢|多谢|谢了|好吗|好不好|可以吗|行吗|please|pls|thanks|thank you|thx|for me|right now|now|again)$/u;
/** Words that say nothing once the app is known. */
const SMALL_HAN = /一下|把|将|到|至|的|版本|应用|服务|机器人|程序/gu;
const SMALL = /(?:^| )(?:to|the|it|a|my|our|app|bot|service|version)(?= |$)/gu;

/** What is left of a text when more and more of what says nothing is taken away. */
function readings(text: string): readonly { readonly key: string; readonly polite: boolean }[] {
  const found: { key: string; polite: boolean }[] = [{ key: text, polite: false }];
  let polite = text;
  for (;;) {
    const first = polite.replace(POLITE_FIRST, '');
    const next = (first === polite ? polite.replace(POLITE_LAST, '') : first).trim();
    if (next === polite || next === '') break;
    polite = next;
    found.push({ key: polite, polite: true });
  }
  for (const { key, polite: kind } of [...found]) {
    const bare = key.replace(SMALL_HAN, '').replace(SMALL, ' ').replace(/ +/g, ' ').trim();
    if (bare !== key) found.push({ key: join(tokens(bare)), polite: kind });
  }
  return found;
}

/** Long enough to mean something, and not a part of another word. */
function occursIn(key: string, text: string): boolean {
  if (/\p{Script=Han}/u.test(key)) return key.length >= 2 && text.includes(key);
  return key.length >= 4 && ` ${text} `.includes(` ${key} `);
}
