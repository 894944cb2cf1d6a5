import type { SeenMessage } from '../chat-platform.ts';
import { FLAGS, type StoredMessage } from './world.ts';

/** A message as people read it: without markdown, escapes and the mark before its title. */

export function seenMessage(message: StoredMessage): SeenMessage {
  const text = wordsOf(message);
  const { channel, reference, interaction, createdAt, editedAt } = message;
  return {
    id: message.id,
    place: channel.type === 1 ? 'direct' : 'group',
    person: channel.person,
    chat: channel.id,
    thread: channel.type === 11 ? channel.id : undefined,
    answers: interaction?.id ?? reference,
    text,
    title: text.split('\n')[0] ?? '',
    buttons: message.components.flatMap(({ components }) =>
      components.map(({ label, custom_id }) => ({ label, value: custom_id })),
    ),
    earlier: message.earlier.map((before) => wordsOf(JSON.parse(before) as Words)),
    createdAt,
    editedAt,
  };
}

/** Is it more than "thinking…"? */
export const isShown = (message: StoredMessage) => !message.deleted && (message.flags & FLAGS.loading) === 0;

type Words = Pick<StoredMessage, 'content' | 'embeds'>;

function wordsOf({ content, embeds }: Words): string {
  const parts = embeds.flatMap(({ title, description, fields, footer }) => [
    title ?? '',
    description ?? '',
    ...(fields ?? []).map(({ name, value }) => `${name}: ${value}`),
    footer?.text ?? '',
  ]);
  return [content, ...parts]
    .filter((part) => part !== '')
    .map(plain)
    .join('\n');
}

/** Markdown as it is drawn (Reference, Message Formatting), in a code block as it stands. */
function plain(text: string): string {
  return text
    .split(/(```[\s\S]*?```)/)
    .map((part) =>
      part.startsWith('```')
        ? part.replace(/^```(?:[a-z]+\n|\n)?|\n?```$/g, '')
        : part
            .replace(/\\([^\w\s])|\*\*|__|~~|`|^-# |^#{1,3} |^> /gm, (_, escaped?: string) => escaped ?? '')
            .replace(/^\p{Extended_Pictographic}\uFE0F? /u, ''),
    )
    .join('')
    .trim();
}
