import type { Kysely } from 'kysely';
import { crashCard } from '../chat/render-notice.ts';
import type { AppReport } from '../protocol/messages.ts';
import { addNotice, findNotice } from '../store/notices.ts';
import type { Database } from '../store/schema.ts';
import type { Announcer } from './announce.ts';

/**
 * Apps that keep crashing, told to the admins once a time: `since` names it, so a hub that restarts, or hears of it again
 * and again, says nothing more, and the next time is told anew. In the transaction that takes the report; at once, quiet hours or not.
 */
export async function announceCrashes(
  trx: Kysely<Database>,
  device: { readonly id: string; readonly name: string },
  apps: readonly AppReport[],
  announcer: Announcer,
  now: number,
): Promise<void> {
  for (const report of apps) {
    const { app, crashing } = report;
    if (!crashing) continue;
    const notice = { kind: 'crashes', app, version: `${device.id}/${crashing.since}`, at: now } as const;
    if (await findNotice(trx, notice.kind, app, notice.version)) continue;
    const told = await announcer.announce(trx, {
      key: `notice/crashes/${app}/${notice.version}`,
      about: 'failure',
      reply: (language, timezone) => crashCard(report, { ...crashing, on: device.name }, { language, timezone, now }),
      now,
    });
    // With notifications off, or before any admin has spoken, it is told when that changes, if it still crashes.
    if (told) await addNotice(trx, notice);
  }
}
