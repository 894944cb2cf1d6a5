import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import { endedBadly, finalCard, progressCard } from '../chat/render-update.ts';
import { type Role, roleAllows } from '../domain/app.ts';
import type { Language, Route } from '../domain/reply.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';
import { viewOf } from './update-view.ts';

/**
 * What the asker of an update is told: a card that goes on (`ID/card`), and one final answer (`ID/final`), a message
 * of its own, because an edit rings nobody's phone. Keys are unique for ever, so there is one of each whatever
 * restarts in between.
 */
export interface Telling {
  /** The card as the update is now. Inside the transaction that made it so. */
  card(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void>;
  /** The final answer. Inside the transaction that ended the update. */
  end(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void>;
}

export interface TellingDeps {
  readonly outbox: Pick<Outbox, 'put'>;
  /** Ends of logs are for admins; whoever asked may have become one or ceased to be one. */
  readonly roleOf: (platform: string, person: string) => Role | undefined | Promise<Role | undefined>;
}

export function createTelling(deps: TellingDeps): Telling {
  return {
    async card(trx, row, now) {
      if (row.route === null) return;
      const route = JSON.parse(row.route) as Route;
      const reply = progressCard(viewOf(row, row.device), languageOf(row));
      const answers = row.event_id ?? undefined;
      await deps.outbox.put(trx, { key: `${row.id}/card`, route, reply, answers, final: false, failed: false, now });
    },
    async end(trx, row, now) {
      if (row.route === null) return;
      const route = JSON.parse(row.route) as Route;
      const view = viewOf(row, row.device);
      const [platform = '', ...person] = row.requested_by.split(':');
      const role = await deps.roleOf(platform, person.join(':'));
      const admin = role !== undefined && roleAllows(role, 'admin');
      const reply = finalCard(view.outcome, view, languageOf(row), { admin });
      const answers = row.event_id ?? undefined;
      await this.card(trx, row, now);
      await deps.outbox.put(trx, {
        key: `${row.id}/final`,
        route,
        reply,
        answers,
        final: true,
        failed: endedBadly(row.state),
        now,
      });
    },
  };
}

function languageOf(row: UpdateRow): Language {
  return row.language === 'zh' ? 'zh' : 'en';
}
