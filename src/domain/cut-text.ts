/**
 * The beginning of a text, for a place that has no room for all of it, and `…`. Ends between words where it can: half of
 * a secret would not be recognised by who redacts it afterwards.
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = text.slice(0, most - 1);
  // Not by `\s`: to it a character of no width is a gap, and may stand inside of a secret.
  const gap = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\n'), head.lastIndexOf('\t'));
  return `${gap > most / 2 ? head.slice(0, gap) : head.toWellFormed()}…`;
}
