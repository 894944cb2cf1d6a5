/** Text for Discord: escaped, measured, cut. Pure. See Reference, "Message Formatting". */

/** Terminal escapes, control characters other than line ends and tabs, and what turns the text behind it around. */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function clean(text: string): string {
  return text.replace(CONTROL, '').replace(/\r\n?/g, '\n').toWellFormed();
}

/**
 * Text that Discord shows as it stands: no markdown, no mention, no emoji code. Addresses stay as they are, because a
 * backslash in one would break it; they hold nothing that pings.
 */
export function escapeMarkdown(text: string): string {
  return clean(text)
    .split(/(https?:\/\/[\w./?=&%~:#+-]+)/)
    .map((part, i) => (i % 2 === 1 ? part : escapePart(part)))
    .join('');
}

function escapePart(text: string): string {
  return text.replace(/[\\*_~`|<>[\]@#]/g, '\\$&').replace(/^([^\S\n]*)([-+]|\d+\.)(?=\s)/gm, '$1\u200b$2');
}

/** Lines in a box of fixed width; nothing in them ends the box. */
export function codeBlock(text: string): string {
  return `\`\`\`\n${clean(text).replace(/`(?=`)/g, '`\u200b')}\n\`\`\``;
}

/** At most `most` characters (UTF-16, as Discord's own counting is no stricter); what is cut ends in `…`. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = /[\ud800-\udbff]/.test(text[most - 2] ?? '') ? most - 2 : most - 1;
  // A backslash at the cut would escape what follows.
  return `${text.slice(0, Math.max(0, end)).replace(/\\$/, '')}…`.slice(0, most);
}

/** The last lines that fit: the end of a log is what matters. */
export function lastLines(text: string, most: number): string {
  if (text.length <= most) return text;
  const tail = text.slice(-(most - 2));
  const line = tail.indexOf('\n');
  return `…\n${line >= 0 && line < tail.length - 1 ? tail.slice(line + 1) : tail}`.slice(0, most);
}

/** Columns in a fixed-width font: East Asian wide characters and emoji take two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/[\p{M}\p{Cf}]/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
