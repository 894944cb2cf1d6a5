import type { HubStatus } from '../../adapters/index.ts';
import type { Request } from '../chat/contract.ts';
import { newestEvent } from '../store/inbox.ts';
import type { Store } from '../store/open.ts';

type ChatStatus = NonNullable<HubStatus['chats']>[number];

/** With who wrote last on each chat: whoever sets one up waits for that. */
export async function withHeard(db: Store, chats: readonly ChatStatus[]): Promise<ChatStatus[]> {
  return Promise.all(chats.map(async (chat) => ({ ...chat, heard: await heardOn(db, chat.platform) })));
}

async function heardOn(db: Store, platform: string): Promise<ChatStatus['heard']> {
  const newest = await newestEvent(db, platform);
  if (!newest) return undefined;
  const { person, personName, route, direct } = JSON.parse(newest.request) as Request;
  return { person, name: personName, chat: route.chat, direct, at: newest.receivedAt };
}
