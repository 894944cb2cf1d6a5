import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import { isPrivate, type Language, type Reply, type Route } from '../domain/reply.ts';
import type { SettingsReader } from '../domain/settings.ts';
import { adminChats } from '../store/admin-chats.ts';
import { readMessage } from '../store/outbox.ts';
import type { Database } from '../store/schema.ts';

/** Something that nobody asked for, told to every admin's chat, in the chat's language. */
export interface Announcement {
  /** Unique for ever; each chat's message adds itself to it. The same key again edits what is there. */
  readonly key: string;
  /**
   * `failure` is also told with `notify: failures`; with `notify: off` nothing is, but `always`: what is asked of
   * admins, and who became or ceased to be one.
   */
  readonly about: 'news' | 'failure' | 'always';
  /** In the chat's language, with times in the hub's time zone. */
  readonly reply: (language: Language, timezone: string) => Reply;
  /** Nothing more is said about it: it is tried for longer, and sent anew where it can't be edited. */
  readonly final?: boolean | undefined;
  /** Whoever reads this chat is told there in another way; without a chat, nobody can be told on that platform. */
  readonly except?: { readonly platform: string; readonly chat?: string | undefined } | undefined;
  /** Only where a message of this key is: what a chat was never told is not taken back there. */
  readonly onlyShown?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Announcer {
  /** Is this kind of thing told at all, as the settings are now? */
  tells(about: Announcement['about']): boolean;
  /** Writes the messages in the caller's transaction; wake the outbox after it. False where nothing was written. */
  announce(trx: Kysely<Database>, announcement: Announcement): Promise<boolean>;
}

export function createAnnouncer(deps: {
  readonly outbox: Pick<Outbox, 'put'>;
  readonly settings: Pick<SettingsReader, 'current'>;
  /** Platforms that there is an adapter for: chats of others would wait in vain. */
  readonly platforms: readonly string[];
}): Announcer {
  const tells: Announcer['tells'] = (about) => {
    const { notify } = deps.settings.current();
    return about === 'always' || notify === 'all' || (notify === 'failures' && about === 'failure');
  };
  return {
    tells,
    async announce(trx, { key, about, reply, final, except, onlyShown, now }) {
      if (!tells(about)) return false;
      const { language, timezone } = deps.settings.current();
      const chats = (await adminChats(trx)).filter(
        ({ route }) => deps.platforms.includes(route.platform) && !isExcept(route, except),
      );
      for (const chat of chats) {
        if (onlyShown && !(await readMessage(trx, `${key}@${chat.id}`))) continue;
        await deps.outbox.put(trx, {
          key: `${key}@${chat.id}`,
          route: chat.route,
          reply: forReaders(reply(chat.language ?? language, timezone), chat.route),
          final: final ?? false,
          // What nobody asked for can't have failed whoever reads it: scripts end with 0.
          failed: false,
          now,
        });
      }
      return chats.length > 0;
    },
  };
}

/** Of the end of an app's log, which is for admins: in a group others read along. */
function forReaders({ code, ...reply }: Reply, route: Route): Reply {
  return code === undefined || !isPrivate(route) ? reply : { ...reply, code };
}

function isExcept(route: Route, except: Announcement['except']): boolean {
  if (!except || route.platform !== except.platform) return false;
  return except.chat === undefined || except.chat === route.chat;
}
