import { plainText } from '../plain-text.ts';

/** Text for Discord: escaped, measured, cut. Pure. See Reference, "Message Formatting". */

/**
 * Text that Discord shows as it stands: no markdown, no mention, no emoji code. Addresses stay as they are, because a
 * backslash in one would break it; they hold nothing that pings.
 */
export function escapeMarkdown(text: string): string {
  return plainText(text)
    .split(/(https?:\/\/[\w./?=&%~:#+-]+)/)
    .map((part, i) => (i % 2 === 1 ? part : escapePart(part)))
    .join('');
}

function escapePart(text: string): string {
  return text.replace(/[\\*_~`|<>[\]@#]/g, '\\$&').replace(/^([^\S\n]*)([-+]|\d+\.)(?=\s)/gm, '$1\u200b$2');
}

/** Lines in a box of fixed width; nothing in them ends the box. */
export function codeBlock(text: string): string {
  return `\`\`\`\n${plainText(text).replace(/`(?=`)/g, '`\u200b')}\n\`\`\``;
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
