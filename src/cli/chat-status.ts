import type { HubStatus } from '../../adapters/index.ts';
import type { Adapter, Request } from '../chat/contract.ts';
import { MESSAGES } from '../chat/messages/index.ts';
import type { Redact } from '../domain/redact.ts';
import type { Language } from '../domain/reply.ts';
import { newestEvent } from '../store/inbox.ts';
import type { Store } from '../store/open.ts';

export type ChatStatus = NonNullable<HubStatus['chats']>[number];

/** How each chat beside the terminal is, as a running hub tells whoever may open its socket. */
export async function chatStatuses(deps: {
  readonly adapters: readonly Adapter[];
  readonly db: Store;
  readonly language: Language;
  readonly redact: Redact;
}): Promise<ChatStatus[]> {
  const { adapters, db, language, redact } = deps;
  return Promise.all(
    adapters
      .filter(({ platform }) => platform !== 'terminal')
      .map(async (adapter) => {
        const { state, since, problem } = adapter.connection();
        const words = problem && MESSAGES[language].problem(problem.code, problem.data);
        return {
          platform: adapter.platform,
          state,
          since,
          problem: problem &&
            words && { code: problem.code, text: redact(words.text), next: words.next && redact(words.next) },
          heard: await heardOn(db, adapter.platform),
        };
      }),
  );
}

async function heardOn(db: Store, platform: string): Promise<ChatStatus['heard']> {
  const newest = await newestEvent(db, platform);
  if (!newest) return undefined;
  const { person, personName, route, direct } = JSON.parse(newest.request) as Request;
  return { person, name: personName, chat: route.chat, direct, at: newest.receivedAt };
}
