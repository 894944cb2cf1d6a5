import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import type { Asker } from '../commands/index.ts';
import type { Clock, RandomBytes } from '../domain/id.ts';
import { shortId } from '../domain/id.ts';
import { type Account, accountOf } from '../domain/person.ts';
import type { Announcer } from '../rollout/announce.ts';
import type { AuditEntry } from '../store/audit.ts';
import { findPerson } from '../store/people.ts';
import type { Database } from '../store/schema.ts';

/** What the parts of `people.ts` share. */

export interface PeopleDeps {
  readonly db: Kysely<Database>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: RandomBytes;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly outbox: Pick<Outbox, 'wake'>;
  /** Somebody may have another role than before. */
  readonly onChanged?: (() => void) | undefined;
}

export interface PeopleWork extends PeopleDeps {
  /**
   * Work of one event in one transaction. Expected refusals are returned, not thrown: what was counted or burnt on the
   * way to them is to stay.
   */
  change<T>(work: (trx: Kysely<Database>, now: number) => Promise<T>): Promise<T>;
  /** An entry of the asker's, at this time. */
  entry(asker: Asker, now: number, what: Pick<AuditEntry, 'action' | 'target' | 'before' | 'after'>): AuditEntry;
}

/** The platform whose every account is the machine's own: no person, and always an admin. */
export const TERMINAL = 'terminal';

/** The account that asks. */
export function askingAccount({ who }: Asker): Account {
  return accountOf(who.id);
}

/** The key of the news of an event's change. */
export function newsKey({ route, eventId }: Asker): string {
  return `people/${route.platform}:${eventId}`;
}

/** An id that no person has. */
export async function unusedPersonId(trx: Kysely<Database>, random: RandomBytes): Promise<string> {
  for (;;) {
    const id = shortId('p', random);
    if (!(await findPerson(trx, id))) return id;
  }
}
