import type { Button, Sink } from '../../src/chat/contract.ts';
import { plainText, widthOf } from '../plain-text.ts';

/**
 * Buttons under a message (https://core.telegram.org/bots/api#inlinekeyboardbutton). `callback_data` has 1–64 bytes:
 * `c:` and the command where it fits, else `n:` and the command's short name.
 */

const MAX_DATA = 64;
const MAX_LABEL = 64;
/** #inlinekeyboardmarkup: 100 in all, 8 in a row; more than three in a row are cut on a phone. */
const MAX_BUTTONS = 100;
const IN_ROW = 3;
/** Characters of labels in a row that a phone shows whole. */
const ROW_WIDTH = 30;

export interface InlineButton {
  text: string;
  callback_data: string;
  style?: 'danger' | 'success' | 'primary';
}

/** What a press carries. */
export type ButtonData =
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'unknown' };

export async function keyboardOf(
  buttons: readonly Button[],
  shorten: Sink['shorten'],
): Promise<readonly (readonly InlineButton[])[]> {
  const rows: InlineButton[][] = [];
  let width = 0;
  for (const button of buttons.slice(0, MAX_BUTTONS)) {
    const made = await buttonOf(button, shorten);
    const own = widthOf(made.text) + 2;
    const last = rows.at(-1);
    if (last && last.length < IN_ROW && width + own <= ROW_WIDTH) {
      last.push(made);
      width += own;
    } else {
      rows.push([made]);
      width = own;
    }
  }
  return rows;
}

async function buttonOf({ label, command, style }: Button, shorten: Sink['shorten']): Promise<InlineButton> {
  const whole = `c:${command}`;
  const letters = Array.from(plainText(label).replace(/\s+/g, ' ').trim());
  const text = letters.length > MAX_LABEL ? `${letters.slice(0, MAX_LABEL - 1).join('')}…` : letters.join('');
  return {
    text: text || '…',
    callback_data: Buffer.byteLength(whole) <= MAX_DATA ? whole : `n:${await shorten(command)}`,
    ...(style === 'primary' || style === 'danger' ? { style } : {}),
  };
}

export function readButton(data: string | undefined): ButtonData {
  if (data?.startsWith('c:/')) return { kind: 'command', command: data.slice(2) };
  if (data?.startsWith('n:')) return { kind: 'name', name: data.slice(2) };
  return { kind: 'unknown' };
}
