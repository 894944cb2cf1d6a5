import type { HubStatus } from '../../adapters/index.ts';
import type { Request } from '../chat/contract.ts';
import type { Clock } from '../domain/id.ts';
import type { Redact } from '../domain/redact.ts';
import { newestEvent } from '../store/inbox.ts';
import type { Store } from '../store/open.ts';
import { lostAnswers } from '../store/outbox.ts';

type ChatStatus = NonNullable<HubStatus['chats']>[number];

const DAY_MS = 24 * 60 * 60_000;
/** So many chats are named. */
const MOST_LOST = 5;

/** With who wrote last on each chat (whoever sets one up waits for that), and what could not be answered there of late. */
export async function withTraffic(
  { db, clock, redact }: { readonly db: Store; readonly clock: Clock; readonly redact: Redact },
  chats: readonly ChatStatus[],
): Promise<ChatStatus[]> {
  return Promise.all(
    chats.map(async (chat) => {
      const lost = await lostAnswers(db, chat.platform, clock.now() - DAY_MS);
      return {
        ...chat,
        heard: await heardOn(db, chat.platform),
        lost: lost.slice(0, MOST_LOST).map((one) => ({ ...one, reason: redact(one.reason) })),
      };
    }),
  );
}

/** One line a chat, for people: `2 answers could not be given in the chat -100 (…), the newest 5 min ago`. */
export function lostLines({ lost = [] }: Pick<ChatStatus, 'lost'>, ago: (at: number) => string): string[] {
  return lost.map(({ chat, times, reason, at }) => {
    const what = times === 1 ? '1 answer' : `${times} answers`;
    return `${what} could not be given in the chat ${chat} (${reason}), the newest ${ago(at)}`;
  });
}

/** What to do about it. */
export const LOST_NEXT = 'Add the bot to that chat again, or let it write there; what is asked then is answered.';

async function heardOn(db: Store, platform: string): Promise<ChatStatus['heard']> {
  const newest = await newestEvent(db, platform);
  if (!newest) return undefined;
  const { person, personName, route, direct } = JSON.parse(newest.request) as Request;
  return { person, name: personName, chat: route.chat, direct, at: newest.receivedAt };
}
