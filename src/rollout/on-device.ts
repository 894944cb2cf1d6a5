import type { Kysely } from 'kysely';
import { onDeviceCard } from '../chat/render-notice.ts';
import type { Peer } from '../gateway/gateway.ts';
import type { AgentMessage } from '../protocol/messages.ts';
import type { Database } from '../store/schema.ts';
import { addUpdate, findUpdate } from '../store/updates.ts';
import type { Announcer } from './announce.ts';
import { rowFor } from './new-update.ts';
import { viewOf } from './update-view.ts';

/** Each is a message to admins, and a row for ever: a device that somebody else has must not fill their chats. */
const HOURLY = 60;
const HOUR_MS = 60 * 60_000;

/**
 * What was done on a device by its own user, as `fettle rollback` does, while the hub was away or not. It comes as a fact:
 * it is kept in the history and told to the admins, once, whatever is offered again. `foreign`: its id is of another device.
 * `later`: it tells more than people do; what is not acknowledged is offered again.
 */
export async function takeLocalOutcome(
  trx: Kysely<Database>,
  peer: Pick<Peer, 'device' | 'name'>,
  { outcome, by, backupSeq }: Extract<AgentMessage, { type: 'local-outcome' }>,
  announcer: Announcer,
  now: number,
): Promise<'taken' | 'foreign' | 'later'> {
  const known = await findUpdate(trx, outcome.update);
  if (known) return known.device === peer.device ? 'taken' : 'foreign';
  const { count } = await trx
    .selectFrom('updates')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('device', '=', peer.device)
    .where('requested_by', 'like', 'device:%')
    .where('ended_at', '>', now - HOUR_MS)
    .executeTakeFirstOrThrow();
  if (count >= HOURLY) return 'later';
  // By the device's clock, which may be another: it did not end after it was heard of.
  const took = Math.max(0, outcome.endedAt - outcome.startedAt);
  const row = rowFor(
    outcome.update,
    {
      app: outcome.app,
      device: peer.device,
      kind: outcome.kind,
      fromVersion: outcome.from,
      toVersion: outcome.to,
      withData: outcome.kind === 'rollback' && outcome.dataRestored === true,
      force: false,
      requestedBy: `device:${by}`,
      requestedByName: `${by} @ ${peer.name}`,
      route: null,
      eventId: null,
      language: 'en',
      backup: backupSeq,
    },
    now - took,
  );
  // Final from the start: another update of the app may be under way at the hub, and that is none of its business.
  const ended = { state: outcome.state, final_state: outcome.state, ended_at: now, state_at: now, deadline_at: null };
  await addUpdate(trx, { ...row, ...ended, outcome: JSON.stringify(outcome) }, 'agent');
  const view = viewOf({ ...row, ...ended, outcome: JSON.stringify(outcome) }, { name: peer.name });
  await announcer.announce(trx, {
    key: `on-device/${peer.device}/${outcome.update}`,
    about: outcome.kind === 'restart' && outcome.state === 'succeeded' ? 'news' : 'failure',
    reply: (language) => onDeviceCard(view, by, peer.name, language),
    final: true,
    now,
  });
  return 'taken';
}
