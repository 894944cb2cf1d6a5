import { isMap, isScalar, type Pair, type YAMLMap } from 'yaml';

/** Where things are in a YAML file's text, for changes that leave all other lines as they are. */

/** A key of a map, with its value. */
export function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return (map.items as Pair[]).find((item) => isScalar(item.key) && String(item.key.value) === key);
}

/** No value, or a map of nothing. */
export function isEmpty(value: unknown): boolean {
  return value === null || (isScalar(value) && value.value === null) || (isMap(value) && value.items.length === 0);
}

const rangeOf = (node: unknown) => (node as { range?: readonly [number, number, number] | null } | null)?.range;
/** The offset of a pair's first character. */
export const startOf = (pair: Pair) => rangeOf(pair.key)?.[0] ?? 0;
/** The offset behind a pair. */
export const endOf = (pair: Pair) => rangeOf(pair.value)?.[1] ?? rangeOf(pair.key)?.[1] ?? 0;

/** How far an offset is from the start of its line. */
export function columnOf(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1);
}

/** The offset behind the line break of the line that ends at or after `offset`; blank ends of a block are no lines of it. */
export function endOfLine(text: string, offset: number): number {
  let at = offset;
  while (at > 0 && /\s/.test(text[at - 1] ?? '')) at -= 1;
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}

/** Each line that is not blank, moved to the right. */
export function indent(text: string, by: string): string {
  return text
    .split('\n')
    .map((one) => (one === '' ? one : by + one))
    .join('\n');
}
