import { z } from 'zod';

/**
 * Cards as the platform takes them: structure 2.0, in which an unknown tag or property is an error
 * (open.feishu.cn, "Card JSON 2.0 structure", and the page of each component).
 */

const PlainText = z.strictObject({
  tag: z.literal('plain_text'),
  content: z.string(),
  text_size: z.enum(['normal', 'notation', 'heading', 'heading-4']).optional(),
  text_color: z.enum(['default', 'grey', 'red', 'green', 'orange', 'blue']).optional(),
  text_align: z.enum(['left', 'center', 'right']).optional(),
  lines: z.int().positive().optional(),
});
const LarkMarkdown = z.strictObject({
  tag: z.literal('lark_md'),
  content: z.string(),
  text_size: z.string().optional(),
});
const Text = z.discriminatedUnion('tag', [PlainText, LarkMarkdown]);

const Button = z.strictObject({
  tag: z.literal('button'),
  text: PlainText.extend({ content: z.string().min(1) }),
  type: z.enum([
    'default',
    'primary',
    'danger',
    'text',
    'primary_text',
    'danger_text',
    'primary_filled',
    'danger_filled',
  ]),
  size: z.enum(['tiny', 'small', 'medium', 'large']).optional(),
  // "value: object or string" in the page of the button; strings are not given back as they were in old clients.
  behaviors: z
    .array(z.strictObject({ type: z.literal('callback'), value: z.record(z.string(), z.unknown()) }))
    .length(1),
});

const Div = z.strictObject({
  tag: z.literal('div'),
  text: Text.optional(),
  fields: z.array(z.strictObject({ is_short: z.boolean(), text: Text })).optional(),
  margin: z.string().optional(),
});
const Markdown = z.strictObject({
  tag: z.literal('markdown'),
  content: z.string().min(1),
  text_size: z.string().optional(),
  margin: z.string().optional(),
});
const Rule = z.strictObject({ tag: z.literal('hr'), margin: z.string().optional() });
/** "Table": only at the root of the body, at most 5 a card, 10 rows a page, 50 columns. */
const Table = z.strictObject({
  tag: z.literal('table'),
  page_size: z.int().min(1).max(10),
  row_height: z.enum(['low', 'middle', 'high', 'auto']).optional(),
  freeze_first_column: z.boolean().optional(),
  header_style: z
    .strictObject({ bold: z.boolean(), background_style: z.enum(['none', 'grey']) })
    .partial()
    .optional(),
  columns: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        display_name: z.string(),
        data_type: z.literal('text'),
        width: z.string().optional(),
      }),
    )
    .min(1)
    .max(50),
  rows: z.array(z.record(z.string(), z.string())),
});
const Inner = z.discriminatedUnion('tag', [Div, Markdown, Button]);
const Columns = z.strictObject({
  tag: z.literal('column_set'),
  flex_mode: z.enum(['none', 'stretch', 'flow', 'bisect', 'trisect']).optional(),
  horizontal_spacing: z.string().optional(),
  margin: z.string().optional(),
  columns: z.array(
    z.strictObject({
      tag: z.literal('column'),
      width: z.enum(['auto', 'weighted']).optional(),
      weight: z.int().min(1).max(5).optional(),
      elements: z.array(Inner),
    }),
  ),
});
const Element = z.discriminatedUnion('tag', [Div, Markdown, Rule, Table, Columns, Button]);

export const CardSchema = z.strictObject({
  schema: z.literal('2.0'),
  config: z.strictObject({
    // Structure 2.0 knows shared cards alone; a card that says `false`, or nothing in 1.0, can't be patched.
    update_multi: z.literal(true),
    width_mode: z.enum(['default', 'compact', 'fill']).optional(),
    summary: z.strictObject({ content: z.string() }).optional(),
  }),
  header: z.strictObject({
    title: PlainText.extend({ content: z.string().min(1) }),
    subtitle: PlainText.optional(),
    template: z.enum([
      'blue',
      'wathet',
      'turquoise',
      'green',
      'yellow',
      'orange',
      'red',
      'carmine',
      'violet',
      'purple',
      'indigo',
      'grey',
      'default',
    ]),
  }),
  body: z.strictObject({ vertical_spacing: z.string().optional(), elements: z.array(Element) }),
});
export type Card = z.output<typeof CardSchema>;
type AnyElement = z.output<typeof Element> | z.output<typeof Inner>;

/** "A card holds 200 elements or components at the most". */
const MAX_ELEMENTS = 200;
const MAX_TABLES = 5;

/** What is wrong with a card's JSON; `undefined`: the platform takes it. */
export function readCard(content: string): { readonly card: Card } | { readonly refused: string } {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return { refused: 'ErrCode: 200340; ErrMsg: the content is not JSON' };
  }
  const parsed = CardSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { refused: `ErrCode: 200621; ErrMsg: ${issue?.path.join('.')}: ${issue?.message}` };
  }
  const elements = [...walk(parsed.data.body.elements)];
  if (elements.length > MAX_ELEMENTS) return { refused: 'ErrCode: 11310; ErrMsg: element exceeds the limit' };
  if (elements.filter(({ tag }) => tag === 'table').length > MAX_TABLES) {
    return { refused: 'ErrCode: 11310; ErrMsg: card table number over limit' };
  }
  return { card: parsed.data };
}

function* walk(elements: readonly AnyElement[]): Generator<AnyElement> {
  for (const element of elements) {
    yield element;
    if (element.tag === 'column_set') for (const column of element.columns) yield* walk(column.elements);
  }
}

export function buttonsOf(card: Card): { label: string; value: string }[] {
  return [...walk(card.body.elements)].flatMap((element) =>
    element.tag === 'button'
      ? [{ label: element.text.content, value: JSON.stringify(element.behaviors[0]?.value) }]
      : [],
  );
}

/** All words of a card as a reader sees them: entities decoded, marks of Markdown gone. The title is the first line. */
export function textOf(card: Card): string {
  const lines = [card.header.title.content];
  for (const element of walk(card.body.elements)) {
    switch (element.tag) {
      case 'div':
        if (element.text) lines.push(shown(element.text));
        for (const field of element.fields ?? []) lines.push(shown(field.text).replace('\n', ': '));
        break;
      case 'markdown':
        lines.push(plain(element.content));
        break;
      case 'table':
        lines.push(element.columns.map((column) => column.display_name).join(' | '));
        for (const row of element.rows) lines.push(element.columns.map(({ name }) => row[name] ?? '').join(' | '));
        break;
      case 'button':
        lines.push(`[${element.text.content}]`);
        break;
    }
  }
  return lines.join('\n');
}

function shown(text: z.output<typeof Text>): string {
  return text.tag === 'plain_text' ? text.content : plain(text.content);
}

/** People that a card calls: `<at id=…>` outside plain text. */
export function mentionsOf(card: Card): string[] {
  const sources = [...walk(card.body.elements)].flatMap((element) => {
    if (element.tag === 'markdown') return [element.content];
    if (element.tag !== 'div') return [];
    return [element.text, ...(element.fields ?? []).map(({ text }) => text)].flatMap((text) =>
      text?.tag === 'lark_md' ? [text.content] : [],
    );
  });
  return sources.flatMap((source) => [...source.matchAll(/<at\s[^>]*>/g)].map(([mention]) => mention));
}

function plain(markdown: string): string {
  if (markdown.startsWith('```')) return markdown.replace(/^```\w*\n/, '').replace(/\n```$/, '');
  return markdown
    .replaceAll('**', '')
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
