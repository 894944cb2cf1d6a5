import { nameButtons } from '../../../adapters/discord/buttons.ts';
import { renderMessage } from '../../../adapters/discord/render.ts';
import { renderCard } from '../../../adapters/feishu/card.ts';
import { keyboardOf } from '../../../adapters/telegram/buttons.ts';
import { renderHtml } from '../../../adapters/telegram/render.ts';
import type { Reply } from '../../../src/domain/reply.ts';
import { discord } from './discord.ts';
import { feishu } from './feishu.ts';
import type { Look } from './html.ts';
import { telegram } from './telegram.ts';

const shorten = async () => 'Abcdefghijklmnopqrstuv';

/** What each adapter sends for a reply, and how that looks. */
export const PLATFORMS: Readonly<Record<string, { readonly look: Look; payload(reply: Reply): Promise<unknown> }>> = {
  feishu: { look: feishu, payload: async (reply) => renderCard(reply, ({ command }) => ({ command })) },
  discord: {
    look: discord,
    payload: async (reply) => renderMessage(reply, await nameButtons(reply.buttons ?? [], shorten)),
  },
  telegram: {
    look: telegram,
    payload: async (reply) => ({ text: renderHtml(reply), keyboard: await keyboardOf(reply.buttons ?? [], shorten) }),
  },
};
