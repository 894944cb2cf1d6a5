/** Words as Feishu shows them, and nothing that they could do there. */

/** Everything that is Markdown, a tag or a mention (`<at id=all>`) as an entity ("Markdown component", escapes). */
export function escapeMarkdown(text: string): string {
  return text.replace(/[&<>*_~`[\]()!#$+|\\:"'{}@-]/g, (mark) => `&#${mark.codePointAt(0)};`);
}

/** A block of code. In it nothing is Markdown but the end of the block; tags get a space of no width all the same. */
export function codeBlock(text: string): string {
  return `\`\`\`\n${text.replaceAll('```', '`\u200b`\u200b`').replace(/<(?=\/?[a-z])/gi, '<\u200b')}\n\`\`\``;
}
