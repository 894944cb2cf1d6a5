import { z } from 'zod';
import { fromEntities, type Look, toHtml } from './html.ts';

/** A card of structure 2.0 as Feishu draws it: a coloured header, plain and small text, fields in two columns, buttons. */

const Text = z.object({ tag: z.string(), content: z.string(), text_size: z.string().optional() });
const Element = z.looseObject({ tag: z.string() });
const Card = z.object({
  schema: z.literal('2.0'),
  header: z.object({ title: Text, template: z.string() }),
  body: z.object({ elements: z.array(Element) }),
});
const Div = z.object({
  text: Text.optional(),
  fields: z.array(z.object({ is_short: z.boolean(), text: Text })).optional(),
});
const Button = z.object({ tag: z.literal('button'), text: Text, type: z.string() });
const Columns = z.object({ columns: z.array(z.object({ elements: z.array(Button) })) });
const Table = z.object({
  columns: z.array(z.object({ name: z.string(), display_name: z.string() })),
  rows: z.array(z.record(z.string(), z.string())),
});

const HEADERS: Readonly<Record<string, string>> = {
  blue: '#e1eaff;color:#245bdb',
  wathet: '#d9f3fd;color:#037eaa',
  green: '#d9f5d6;color:#2b7a23',
  orange: '#feead2;color:#a64b03',
  red: '#fde2e2;color:#ac2f28',
};

export const feishu: Look = {
  style: `
    body { background: #f2f3f5; color: #1f2329; font-size: 14px; }
    .message { display: flex; gap: 8px; align-items: flex-start; }
    .card { flex: 1; background: #fff; border-radius: 8px; overflow: hidden; border: 1px solid #dee0e3; }
    .head { padding: 10px 12px; font-weight: 600; font-size: 15px; }
    .body { padding: 12px; display: flex; flex-direction: column; gap: 8px; }
    .small { color: #8f959e; font-size: 12px; } .line { white-space: pre-wrap; line-height: 1.5; }
    .fields { display: flex; flex-wrap: wrap; row-gap: 8px; } .fields > div { width: 100%; } .fields > .short { width: 50%; }
    .fields b { display: block; font-weight: 600; }
    .buttons { display: flex; flex-wrap: wrap; gap: 8px; }
    .button { border: 1px solid #d0d3d6; border-radius: 6px; padding: 4px 14px; }
    .button.primary { background: #3370ff; border-color: #3370ff; color: #fff; }
    .button.danger { border-color: #f54a45; color: #f54a45; }
    pre { background: #f5f6f7; border-radius: 6px; padding: 8px 10px; margin: 0; font-size: 12px; white-space: pre-wrap; }
    table { border-collapse: collapse; font-size: 13px; } td, th { border: 1px solid #dee0e3; padding: 4px 8px; text-align: left; }
    .said { align-self: flex-end; background: #d1e3ff; border-radius: 8px; padding: 8px 12px; }
    .at { color: #3370ff; }
    .bot { width: 34px; height: 34px; border-radius: 50%; background: #3370ff; color: #fff; font-weight: 700; display: grid; place-items: center; }
  `,
  card(payload) {
    const { header, body } = Card.parse(JSON.parse(String(payload)));
    const colour = HEADERS[header.template] ?? HEADERS.blue;
    return `<div class="message"><div class="bot">F</div><div class="card"><div class="head" style="background:${colour}">${toHtml(header.title.content)}</div><div class="body">${body.elements.map(element).join('')}</div></div></div>`;
  },
  said: (text) =>
    `<div class="said">${text.startsWith('/') ? '' : '<span class="at">@Fettle</span> '}${toHtml(text)}</div>`,
};

function element(of: z.output<typeof Element>): string {
  if (of.tag === 'div') {
    const { text, fields } = Div.parse(of);
    if (fields) {
      const one = (field: (typeof fields)[number]) =>
        `<div${field.is_short ? ' class="short"' : ''}>${markdown(field.text.content)}</div>`;
      return `<div class="fields">${fields.map(one).join('')}</div>`;
    }
    return `<div class="line${text?.text_size === 'notation' ? ' small' : ''}">${toHtml(text?.content ?? '')}</div>`;
  }
  if (of.tag === 'column_set') {
    const buttons = Columns.parse(of).columns.flatMap(({ elements }) => elements);
    const one = ({ text, type }: z.output<typeof Button>) =>
      `<span class="button ${type}">${toHtml(text.content)}</span>`;
    return `<div class="buttons">${buttons.map(one).join('')}</div>`;
  }
  if (of.tag === 'table') {
    const { columns, rows } = Table.parse(of);
    const head = columns.map(({ display_name }) => `<th>${toHtml(display_name)}</th>`).join('');
    const line = (row: (typeof rows)[number]) =>
      `<tr>${columns.map(({ name }) => `<td>${toHtml(row[name] ?? '')}</td>`).join('')}</tr>`;
    return `<table><tr>${head}</tr>${rows.map(line).join('')}</table>`;
  }
  if (of.tag === 'markdown') return markdown(String(of.content));
  throw new Error(`a card with an element that is not drawn: ${of.tag}`);
}

/** What the adapter writes of Markdown: bold names, blocks of code, entities. */
function markdown(text: string): string {
  const code = /^```\n([\s\S]*)\n```$/.exec(text);
  if (code) return `<pre>${toHtml(code[1] ?? '')}</pre>`;
  return text
    .split(/\*\*(.+?)\*\*/)
    .map((part, i) => (i % 2 === 1 ? `<b>${toHtml(fromEntities(part))}</b>` : toHtml(fromEntities(part).trim())))
    .join('');
}
