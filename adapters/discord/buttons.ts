import type { Button, Sink } from '../../src/chat/contract.ts';
import type { NamedButton } from './render.ts';

/**
 * What a button carries: its command where that fits into 100 characters, else a short name for it. The second character
 * is the button's place in its message: Discord refuses a message in which two have the same id.
 */

const MOST = 100;

export async function nameButtons(
  buttons: readonly Button[],
  shorten: Sink['shorten'],
): Promise<readonly NamedButton[]> {
  return Promise.all(
    buttons.slice(0, 25).map(async (button, i) => {
      const place = i.toString(36);
      const whole = `c${place}:${button.command}`;
      const customId = whole.length <= MOST ? whole : `s${place}:${await shorten(button.command)}`;
      return { ...button, customId };
    }),
  );
}

/** The command of a button's id; `undefined` where no button of this version, or none that is remembered, has it. */
export async function commandOfButton(customId: string, expand: Sink['expand']): Promise<string | undefined> {
  const [, kind, rest] = /^([cs])[0-9a-z]:([\s\S]+)$/.exec(customId) ?? [];
  if (kind === undefined || rest === undefined) return undefined;
  return kind === 'c' ? rest : expand(rest);
}
