import { z } from 'zod';
import { type Look, toHtml } from './html.ts';

/** A message in HTML with an inline keyboard as Telegram draws it. */

const Message = z.object({
  text: z.string(),
  keyboard: z.array(z.array(z.object({ text: z.string(), style: z.string().optional() }))),
});

/** What a message may hold; https://core.telegram.org/bots/api#html-style */
const TAGS = /<(?!\/?(?:b|i|code|pre|blockquote(?: expandable)?)>)/g;

export const telegram: Look = {
  style: `
    body { background: #b9d3a5; color: #000; font-size: 14.5px; }
    .message { max-width: 92%; align-self: flex-start; width: 92%; } .bubble { background: #fff; border-radius: 14px 14px 14px 4px; padding: 8px 12px; white-space: pre-wrap; line-height: 1.4; }
    .keys { margin-top: 4px; display: flex; flex-direction: column; gap: 4px; } .keys div { display: flex; gap: 4px; }
    .key { flex: 1; text-align: center; background: rgba(60, 100, 70, .55); color: #fff; border-radius: 8px; padding: 7px 6px; font-weight: 500; }
    .key.primary { background: #3390ec; } .key.danger { background: #e53935; }
    pre { background: #eef2f6; border-left: 3px solid #3390ec; border-radius: 4px; padding: 6px 8px; margin: 4px 0; font-size: 12px; white-space: pre-wrap; }
    blockquote { background: #eef2f6; border-left: 3px solid #3390ec; border-radius: 4px; padding: 6px 8px; margin: 4px 0; font-size: 13px; }
    code { font-size: 13px; } i { color: #444; }
    .said { align-self: flex-end; background: #effdde; border-radius: 14px 14px 4px 14px; padding: 8px 12px; } .at { color: #168acd; }
  `,
  card(payload) {
    const { text, keyboard } = Message.parse(payload);
    const strange = text.match(TAGS);
    if (strange) throw new Error(`a message with a tag that is not drawn: ${text}`);
    const keys = keyboard.map(
      (row) =>
        `<div>${row.map(({ text, style }) => `<span class="key ${style ?? ''}">${toHtml(text)}</span>`).join('')}</div>`,
    );
    return `<div class="message"><div class="bubble">${text.replace(/(<\/(?:pre|blockquote)>)\n/g, '$1').replace(/\n(<(?:pre|blockquote))/g, '$1')}</div>${keys.length > 0 ? `<div class="keys">${keys.join('')}</div>` : ''}</div>`;
  },
  said: (text) =>
    `<div class="said">${text.startsWith('/') ? '' : '<span class="at">@fettle_bot</span> '}${toHtml(text)}</div>`,
};
