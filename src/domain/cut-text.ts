/**
 * The beginning of a text, for a place that has no room for all of it, and `…`. Ends between words where it can: half of
 * a secret would not be recognised by who redacts it afterwards.
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = text.slice(0, most - 1);
  const gap = head.search(/\s\S*$/);
  return `${gap > most / 2 ? head.slice(0, gap) : head.toWellFormed()}…`;
}
