/** Words as Feishu shows them, and nothing that they could do there. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences of terminals begin with one
const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they have no business in a chat
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** Characters that turn what follows around: a version could read as another. */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Halves of a character: JSON can't carry them. */
const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** Text without control characters and escape sequences of terminals; lines stay. */
export function plainText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(ANSI, '').replace(CONTROL, '').replace(BIDI, '').replace(LONE, '\ufffd');
}

/** Everything that is Markdown, a tag or a mention (`<at id=all>`) as an entity ("Markdown component", escapes). */
export function escapeMarkdown(text: string): string {
  return text.replace(/[&<>*_~`[\]()!#$+|\\:"'{}@-]/g, (mark) => `&#${mark.codePointAt(0)};`);
}

/** A block of code. In it nothing is Markdown but the end of the block; tags get a space of no width all the same. */
export function codeBlock(text: string): string {
  return `\`\`\`\n${text.replaceAll('```', '`\u200b`\u200b`').replace(/<(?=\/?[a-z])/gi, '<\u200b')}\n\`\`\``;
}
