/** Notes of a release, as far as a card has room for them. Pure. */

const LINES = 8;
const CHARACTERS = 600;
const IN_LINE = 160;

/**
 * The first lines, without the marks of Markdown and HTML that a card would show as they are; `…` where something was left
 * out. Nothing is taken for a mark that may be meant: the text stays what it says.
 */
export function shortNotes(notes: string | undefined): readonly string[] {
  const lines = (notes ?? '')
    // What is far behind the end is not looked at.
    .slice(0, 20 * CHARACTERS)
    .replace(/<!--[\s\S]*?-->/g, '')
    .split(/\r?\n/)
    .map(plain)
    .filter((line) => line !== '');
  const kept: string[] = [];
  let left = CHARACTERS;
  for (const line of lines) {
    if (kept.length === LINES || left <= 0) break;
    const short = cut(line, Math.min(IN_LINE, left));
    kept.push(short);
    left -= short.length;
  }
  const last = kept.at(-1);
  if (last !== undefined && kept.length < lines.length && !last.endsWith('…')) kept[kept.length - 1] = `${last} …`;
  return kept;
}

function plain(line: string): string {
  return line
    .trim()
    .replace(/^#{1,6}\s+/, '')
    .replace(/^[*+-]\s+/, '• ')
    .replace(/!?\[([^\][]*)\]\([^()\s]*\)/g, '$1')
    .replace(/\*\*([^*]+)\*\*/g, '$1')
    .replace(/`([^`]+)`/g, '$1')
    .trim();
}

/** By characters as people count them, never through the middle of one. */
function cut(line: string, most: number): string {
  const characters = [...line];
  return characters.length <= most
    ? line
    : `${characters
        .slice(0, Math.max(1, most - 1))
        .join('')
        .trimEnd()}…`;
}
