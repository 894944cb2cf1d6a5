import { isMap, type Pair, parseDocument, stringify } from 'yaml';
import { columnOf, endOf, endOfLine, indent, isEmpty, pairOf, startOf } from '../yaml-text.ts';

/** A chat's lines in `fettle.yaml`, put in and taken out without touching the others, comments included. */

const MARK = 'added by `fettle chats add`';

/** A value without one is taken out where it is. */
export type ChatKeys = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The chat's lines, not indented. */
export function chatText(platform: string, keys: ChatKeys): string {
  const said = Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
  const comment = `# ${MARK}. Undo: fettle chats remove ${platform}`;
  if (Object.keys(said).length === 0) return `${comment}\n${platform}: {}`;
  return `${comment}\n${stringify({ [platform]: said }, { lineWidth: 0, flowCollectionPadding: false }).trimEnd()}`;
}

/** The file with the chat in it; its other keys stay as they are. @throws where the file's YAML is broken */
export function setChat(text: string, platform: string, keys: ChatKeys): string {
  if (text.trim() === '') return `${BEGINNING}\nchats:\n${indent(chatText(platform, keys), '  ')}\n`;
  const document = parseDocument(text);
  if (document.errors[0]) throw document.errors[0];
  const { contents } = document;
  if (contents !== null && !isMap(contents)) throw new Error('the file is not made of keys');
  const pair = contents === null ? undefined : pairOf(contents, 'chats');
  const there = pair && isMap(pair.value) ? pairOf(pair.value, platform) : undefined;
  if (there === undefined) {
    const added = withNew(text, pair, chatText(platform, keys));
    if (isChanged(text, added, platform, keys)) return added;
  }
  // There already, or written in a way of its own (`chats: {…}`): the library keeps what it can.
  const changed = Object.entries(keys).filter(([key, value]) => !isSame(document.toJS(), platform, key, value));
  if (there !== undefined && changed.length === 0) return text;
  if (!isMap(document.getIn(['chats', platform], true))) document.setIn(['chats', platform], document.createNode({}));
  for (const [key, value] of Object.entries(keys)) {
    if (value === undefined) document.deleteIn(['chats', platform, key]);
    else document.setIn(['chats', platform, key], value);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The file without the chat. `null`: nothing but our own beginning would be left. */
export function removeChat(text: string, platform: string): string | null {
  const document = parseDocument(text);
  if (document.errors[0]) throw document.errors[0];
  const { contents } = document;
  const chats = isMap(contents) ? pairOf(contents, 'chats') : undefined;
  const pair = chats && isMap(chats.value) ? pairOf(chats.value, platform) : undefined;
  if (!isMap(contents) || !chats || !isMap(chats.value) || !pair) return text;
  if (!chats.value.flow) {
    const cut = withoutLines(text, chats.value.items.length === 1 ? chats : pair);
    if (cut.trim() === BEGINNING.trim()) return null;
    if (isRemoved(text, cut, platform)) return cut;
  }
  document.deleteIn(['chats', platform]);
  if (chats.value.items.length === 0) document.deleteIn(['chats']);
  return contents.items.length === 0 ? '' : document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

const BEGINNING = `# yaml-language-server: $schema=./fettle.schema.json
# Fettle's configuration: what is kept up to date on this machine. \`fettle config explain\` says what each key means.
`;

function withNew(text: string, chats: Pair | undefined, entry: string): string {
  if (chats && isMap(chats.value) && !chats.value.flow && chats.value.items.length > 0) {
    const last = chats.value.items.at(-1) as Pair;
    const first = chats.value.items[0] as Pair;
    const at = endOfLine(text, endOf(last));
    const before = text.slice(0, at);
    const column = ' '.repeat(columnOf(text, startOf(first)));
    return `${before}${before.endsWith('\n') ? '' : '\n'}${indent(entry, column)}\n${text.slice(at)}`;
  }
  // A key without chats in it says nothing.
  const rest = chats && isEmpty(chats.value) ? withoutLines(text, chats) : text;
  const gap = rest.trim() === '' || /\n\r?\n$/.test(rest) ? '' : rest.endsWith('\n') ? '\n' : '\n\n';
  return `${rest}${gap}chats:\n${indent(entry, '  ')}\n`;
}

/** Without a pair's lines, and ours above it. */
function withoutLines(text: string, pair: Pair): string {
  let start = text.lastIndexOf('\n', startOf(pair) - 1) + 1;
  const end = endOfLine(text, endOf(pair));
  const above = text.slice(0, start).split('\n').slice(-2)[0] ?? '';
  if (above.includes(MARK)) start -= above.length + 1;
  const blank = text.slice(0, start).endsWith('\n\n') ? 1 : 0;
  return text.slice(0, start - blank) + text.slice(end);
}

type Plain = { chats?: Record<string, Record<string, unknown> | null> | null };

/** Is the second text the first with that chat, and nothing else? */
function isChanged(before: string, after: string, platform: string, keys: ChatKeys): boolean {
  const [less, more] = [read(before), read(after)];
  if (!less || !more || !Object.hasOwn(more.chats ?? {}, platform)) return false;
  return (
    Object.entries(keys).every(([key, value]) => isSame(more, platform, key, value)) && others(less) === others(more)
  );
  function others(plain: Plain): string {
    const { [platform]: _, ...rest } = plain.chats ?? {};
    return JSON.stringify({ ...plain, chats: undefined, rest });
  }
}

function isRemoved(before: string, after: string, platform: string): boolean {
  return isChanged(after, before, platform, {}) && !Object.hasOwn(read(after)?.chats ?? {}, platform);
}

function isSame(plain: unknown, platform: string, key: string, value: unknown): boolean {
  return JSON.stringify((plain as Plain)?.chats?.[platform]?.[key]) === JSON.stringify(value);
}

function read(text: string): Plain | undefined {
  const document = parseDocument(text);
  return document.errors.length > 0 ? undefined : ((document.toJS() ?? {}) as Plain);
}
