import { z } from 'zod';
import { type Look, toHtml } from './html.ts';

/** A message with an embed and buttons as Discord draws it in its dark theme. */

const Message = z.object({
  content: z.string(),
  embeds: z.array(
    z.object({
      color: z.number(),
      description: z.string().optional(),
      fields: z.array(z.object({ name: z.string(), value: z.string(), inline: z.boolean() })).optional(),
      footer: z.object({ text: z.string() }).optional(),
    }),
  ),
  components: z.array(z.object({ components: z.array(z.object({ style: z.number(), label: z.string() })) })),
});
const STYLES: Readonly<Record<number, string>> = { 1: 'primary', 2: 'plain', 4: 'danger' };

export const discord: Look = {
  style: `
    body { background: #313338; color: #dbdee1; font-size: 15px; }
    .message { display: flex; gap: 12px; align-items: flex-start; }
    .bot, .face { width: 38px; height: 38px; flex: none; border-radius: 50%; background: #5865f2; color: #fff; font-weight: 700; display: grid; place-items: center; }
    .face { background: #3ba55d; }
    .who { font-weight: 600; color: #f2f3f5; } .app { background: #5865f2; border-radius: 3px; font-size: 10px; padding: 1px 4px; color: #fff; vertical-align: 2px; }
    .embed { margin-top: 4px; background: #2b2d31; border-left: 4px solid; border-radius: 4px; padding: 10px 14px; line-height: 1.4; }
    .text { white-space: pre-wrap; } .fields { display: flex; flex-wrap: wrap; gap: 8px 0; margin-top: 8px; } .fields > div { width: 100%; } .fields > .inline { width: 33%; padding-right: 8px; box-sizing: border-box; }
    .fields b { display: block; font-size: 13px; color: #f2f3f5; } .fields > div { font-size: 14px; }
    .footer { font-size: 12px; color: #b5bac1; margin-top: 8px; white-space: pre-wrap; }
    .buttons { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px; } .button { background: #4e5058; color: #fff; border-radius: 4px; padding: 5px 14px; font-size: 14px; }
    .button.primary { background: #5865f2; } .button.danger { background: #da373c; }
    pre { background: #1e1f22; border-radius: 4px; padding: 8px; margin: 4px 0 0; font-size: 12px; white-space: pre-wrap; }
    .at { background: #3c4270; color: #c9cdfb; border-radius: 3px; padding: 0 2px; } .grow { flex: 1; min-width: 0; }
  `,
  card(payload) {
    const { content, embeds, components } = Message.parse(payload);
    const buttons = components.map(
      (row) =>
        `<div class="buttons">${row.components.map(({ style, label }) => `<span class="button ${STYLES[style]}">${toHtml(label)}</span>`).join('')}</div>`,
    );
    const drawn = embeds.map(
      ({ color, description, fields, footer }) =>
        `<div class="embed" style="border-color:#${color.toString(16).padStart(6, '0')}"><div class="text">${markdown(description ?? '')}</div>${
          fields
            ? `<div class="fields">${fields.map(({ name, value, inline }) => `<div${inline ? ' class="inline"' : ''}><b>${markdown(name)}</b>${markdown(value)}</div>`).join('')}</div>`
            : ''
        }${footer ? `<div class="footer">${toHtml(footer.text)}</div>` : ''}</div>`,
    );
    return `<div class="message"><div class="bot">F</div><div class="grow"><div><span class="who">Fettle</span> <span class="app">APP</span></div><div class="text">${markdown(content)}</div>${drawn.join('')}${buttons.join('')}</div></div>`;
  },
  said: (text) =>
    `<div class="message"><div class="face">A</div><div class="grow"><div class="who">Anna</div><div class="text">${text.startsWith('/') ? '' : '<span class="at">@Fettle</span> '}${toHtml(text)}</div></div></div>`,
};

/** What the adapter writes of Markdown: bold, blocks of code, escaped marks. */
function markdown(text: string): string {
  return text
    .split(/```\n?([\s\S]*?)```/)
    .map((part, i) => (i % 2 === 1 ? `<pre>${toHtml(part.trimEnd())}</pre>` : inline(part)))
    .join('');
}

function inline(text: string): string {
  return text
    .split(/(?<!\\)\*\*(.+?)(?<!\\)\*\*/)
    .map((part, i) => {
      const plain = toHtml(part.replace(/\\([^\w\s])/g, '$1'));
      return i % 2 === 1 ? `<b>${plain}</b>` : plain;
    })
    .join('');
}
