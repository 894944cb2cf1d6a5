import { badRequest } from './refusal.ts';

/**
 * Text with HTML as the Bot API takes it (core.telegram.org/bots/api#html-style): these tags, properly nested, and the
 * entities `&lt; &gt; &amp; &quot;` and numeric ones. Everything else is refused in the server's words
 * (`parse_html` of TDLib's MessageEntity.cpp).
 */

export interface Entity {
  readonly type: string;
  /** In UTF-16 code units, as all offsets of the Bot API. */
  readonly offset: number;
  readonly length: number;
  readonly url?: string | undefined;
  readonly user?: { readonly id: number } | undefined;
  readonly language?: string | undefined;
}

export interface Marked {
  readonly text: string;
  readonly entities: readonly Entity[];
}

const TYPES: Readonly<Record<string, string>> = {
  b: 'bold',
  strong: 'bold',
  i: 'italic',
  em: 'italic',
  u: 'underline',
  ins: 'underline',
  s: 'strikethrough',
  strike: 'strikethrough',
  del: 'strikethrough',
  'tg-spoiler': 'spoiler',
  code: 'code',
  pre: 'pre',
  blockquote: 'blockquote',
  a: 'text_link',
};

interface Open {
  readonly tag: string;
  readonly type: string;
  readonly offset: number;
  readonly url?: string | undefined;
}

/** @throws {Refusal} `can't parse entities` */
export function parseHtml(source: string): Marked {
  const wrong = (what: string) => badRequest(`can't parse entities: ${what}`);
  const entities: Entity[] = [];
  const open: Open[] = [];
  let text = '';
  let at = 0;
  const offset = () => Buffer.byteLength(source.slice(0, at));
  while (at < source.length) {
    const char = source[at];
    if (char === '&') {
      const found = /^&(?:(lt|gt|amp|quot)|#(\d{1,8})|#x([0-9a-f]{1,8}));?/i.exec(source.slice(at));
      if (!found) {
        text += '&';
        at += 1;
        continue;
      }
      const [whole, name, decimal, hex] = found;
      const named = { lt: '<', gt: '>', amp: '&', quot: '"' }[name?.toLowerCase() ?? ''];
      text += named ?? String.fromCodePoint(Number.parseInt(decimal ?? hex ?? '0', decimal ? 10 : 16));
      at += whole.length;
      continue;
    }
    if (char !== '<') {
      text += char;
      at += 1;
      continue;
    }
    const end = /^<\/\s*([a-z-]*)\s*>/i.exec(source.slice(at));
    if (end) {
      const last = open.pop();
      if (!last) throw wrong(`Unexpected end tag at byte offset ${offset()}`);
      const tag = end[1]?.toLowerCase();
      if (tag !== '' && tag !== last.tag) {
        throw wrong(`Unmatched end tag at byte offset ${offset()}, expected "</${last.tag}>", found "</${tag}>"`);
      }
      const length = text.length - last.offset;
      if (length > 0) entities.push({ type: last.type, offset: last.offset, length, url: last.url });
      at += end[0].length;
      continue;
    }
    const start = /^<([a-z-]*)((?:\s+[a-z-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[\w.-]+))?)*)\s*>/i.exec(source.slice(at));
    if (!start?.[1]) throw wrong(`Unsupported start tag "${source.slice(at + 1, at + 2)}" at byte offset ${offset()}`);
    const tag = start[1].toLowerCase();
    const attributes = start[2] ?? '';
    const spoiler = tag === 'span' && /class\s*=\s*["']?tg-spoiler/.test(attributes);
    const plain = spoiler ? 'spoiler' : TYPES[tag];
    if (!plain) throw wrong(`Unsupported start tag "${tag}" at byte offset ${offset()}`);
    const type = tag === 'blockquote' && /\bexpandable\b/.test(attributes) ? 'expandable_blockquote' : plain;
    const quote = (one: string) => one.endsWith('blockquote');
    // "blockquote and expandable_blockquote entities can't be nested"; pre and code hold and are held by nothing.
    if (quote(type) && open.some((one) => quote(one.type))) throw wrong('Nested blockquote');
    const single = (one: string) => one === 'pre' || one === 'code';
    if (
      open.some((one) => single(one.type) && !(one.type === 'pre' && type === 'code')) ||
      (single(type) && open.some((one) => quote(one.type)))
    ) {
      throw wrong(`Can't nest "${tag}" at byte offset ${offset()}`);
    }
    const url = /href\s*=\s*["']?([^"'\s>]*)/.exec(attributes)?.[1];
    open.push({ tag, type, offset: text.length, url });
    at += start[0].length;
  }
  const left = open.at(-1);
  if (left) throw wrong(`Can't find end tag corresponding to start tag "${left.tag}"`);
  return trimmed({ text, entities });
}

/** White space around a text is taken off; entities that are left with nothing go. */
export function trimmed({ text, entities }: Marked): Marked {
  const start = text.length - text.trimStart().length;
  const kept = text.trim();
  return {
    text: kept,
    entities: entities
      .map((entity) => {
        const from = Math.max(0, entity.offset - start);
        const to = Math.min(kept.length, entity.offset + entity.length - start);
        return { ...entity, offset: from, length: to - from };
      })
      .filter(({ length }) => length > 0)
      .sort((a, b) => a.offset - b.offset || b.length - a.length),
  };
}

/** What a client finds by itself in what a person types: commands and mentions, not within code. */
export function detect(text: string): readonly Entity[] {
  const found: Entity[] = [];
  for (const match of text.matchAll(/(?<![\w/])\/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/])/g)) {
    found.push({ type: 'bot_command', offset: match.index, length: match[0].length });
  }
  for (const match of text.matchAll(/(?<!\w)@[A-Za-z]\w{3,31}(?!\w)/g)) {
    found.push({ type: 'mention', offset: match.index, length: match[0].length });
  }
  return found.sort((a, b) => a.offset - b.offset);
}
