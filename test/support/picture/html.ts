/** Text as HTML shows it. */
export function toHtml(text: string): string {
  return text.replace(/[&<>"]/g, (mark) => `&#${mark.codePointAt(0)};`);
}

/** Entities back to characters, for text that is escaped for a platform. */
export function fromEntities(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&');
}

/** How a platform looks: its messages as HTML, and the style that they need. */
export interface Look {
  readonly style: string;
  /** Of the bot. */
  card(payload: unknown): string;
  /** Of a person. */
  said(text: string): string;
}
