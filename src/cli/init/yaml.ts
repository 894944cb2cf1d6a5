import { isMap, type Pair, parseDocument, stringify } from 'yaml';
import { columnOf, endOf, endOfLine, indent, isEmpty, pairOf, startOf } from '../yaml-text.ts';
import type { Found, Suggestion } from './contract.ts';

/** An app's lines in `fettle.yaml`, put in and taken out without touching the others, comments included. */

export interface Entry {
  readonly app: string;
  readonly found: Found;
  readonly keys: Readonly<Record<string, unknown>>;
  readonly suggestions: readonly Suggestion[];
}

const MARK = 'taken over by `fettle init`';
const WHY: Readonly<Record<string, string>> = {
  source: 'Where new releases come from.',
  build: 'Makes a release of a checkout.',
  keep: 'Outlives updates; saved before each.',
};

/** The app's lines, not indented. */
export function entryText({ app, found, keys, suggestions }: Entry): string {
  const lines = [`# ${found.path}, ${MARK}. Undo: fettle init --undo ${app}`, `${app}:`];
  for (const [key, value] of Object.entries(keys)) {
    const why = WHY[key];
    lines.push(`  ${line(key, value)}${why === undefined ? '' : `   # ${why}`}`);
  }
  for (const { key, value, why } of suggestions) lines.push(`  # ${key}: ${value}   # ${why}`);
  return lines.join('\n');
}

function line(key: string, value: unknown): string {
  const document = stringify({ [key]: value }, { flowCollectionPadding: false, lineWidth: 0, collectionStyle: 'flow' });
  // A flow map in braces: its one pair is what is wanted.
  return document.trim().replace(/^\{([\s\S]*)\}$/, '$1');
}

/** A whole new file. */
export function newFile(entry: string): string {
  return `# yaml-language-server: $schema=./fettle.schema.json
# Fettle's configuration: what is kept up to date on this machine. \`fettle config explain\` says what each key means.

apps:
${indent(entry, '  ')}
`;
}

/** The file with the app added behind the others. @throws where the file's YAML is broken */
export function addApp(text: string, app: string, entry: string): string {
  const document = parseDocument(text);
  if (document.errors[0]) throw document.errors[0];
  const { contents } = document;
  if (contents === null) return `${text.trimEnd()}${text.trim() === '' ? '' : '\n\n'}apps:\n${indent(entry, '  ')}\n`;
  if (!isMap(contents)) throw new Error('the file is not made of keys');
  const pair = pairOf(contents, 'apps');
  if (pair && isMap(pair.value) && !pair.value.flow && pair.value.items.length > 0) {
    const last = pair.value.items.at(-1) as Pair;
    const first = pair.value.items[0] as Pair;
    const at = endOfLine(text, endOf(last));
    const before = text.slice(0, at);
    const added = `${before}${before.endsWith('\n') ? '' : '\n'}\n${indent(entry, ' '.repeat(columnOf(text, startOf(first))))}\n${text.slice(at)}`;
    if (isSame(added, text, app)) return added;
  }
  if (!pair || isEmpty(pair.value)) {
    const rest = pair ? withoutLines(text, pair) : text;
    const added = `${rest.trimEnd()}${rest.trim() === '' ? '' : '\n\n'}apps:\n${indent(entry, '  ')}\n`;
    if (isSame(added, text, app)) return added;
  }
  // Written in a way of its own (`apps: {…}`): the library keeps what it can.
  const node = parseDocument(entry);
  const value = isMap(node.contents) ? pairOf(node.contents, app)?.value : undefined;
  document.setIn(['apps', app], value);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The file without the app. `null`: nothing but our own beginning would be left. */
export function removeApp(text: string, app: string): string | null {
  const document = parseDocument(text);
  if (document.errors[0] || !isMap(document.contents)) return text;
  const apps = pairOf(document.contents, 'apps')?.value;
  const pair = isMap(apps) ? pairOf(apps, app) : undefined;
  if (!isMap(apps) || pair === undefined) return text;
  if (!apps.flow && apps.items.length > 1) {
    const cut = withoutLines(text, pair);
    if (isSame(text, cut, app)) return cut;
  }
  document.deleteIn(['apps', app]);
  if (apps.items.length === 0) document.deleteIn(['apps']);
  if (document.contents.items.length === 0) return null;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Are two texts the same but for one app that the first has? */
function isSame(withApp: string, without: string, app: string): boolean {
  const read = (text: string) => (parseDocument(text).toJS() ?? {}) as { apps?: Record<string, unknown> | null };
  try {
    const [more, less] = [read(withApp), read(without)];
    const { [app]: added, ...others } = more.apps ?? {};
    const plain = (value: unknown, apps: unknown) => JSON.stringify({ ...(value as object), apps });
    return added !== undefined && plain(more, others) === plain(less, less.apps ?? {});
  } catch {
    return false;
  }
}

/** Without a pair's lines, and ours above it. */
function withoutLines(text: string, pair: Pair): string {
  let start = text.lastIndexOf('\n', startOf(pair) - 1) + 1;
  let end = endOfLine(text, endOf(pair));
  const above = text.slice(0, start).split('\n').slice(-2)[0] ?? '';
  if (above.includes(MARK)) start -= above.length + 1;
  // Suggestions behind the last key are comments that no node has.
  for (;;) {
    const next = text.slice(end, text.indexOf('\n', end) === -1 ? text.length : text.indexOf('\n', end) + 1);
    if (!/^\s+# (healthy|build|cache|env|source|run): /.test(next)) break;
    end += next.length;
  }
  const blank = text.slice(0, start).endsWith('\n\n') ? 1 : 0;
  return text.slice(0, start - blank) + text.slice(end);
}
