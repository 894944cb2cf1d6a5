import type { Kysely } from 'kysely';
import type { LostMessage, Outbox } from '../chat/outbox.ts';
import { type After, automaticFinalCard, lostCard, withdrawnCard } from '../chat/render-notice.ts';
import { progressCard } from '../chat/render-progress.ts';
import { endedBadly, finalCard } from '../chat/render-update.ts';
import { type Role, roleAllows } from '../domain/app.ts';
import { isPrivate, type Language, type Route } from '../domain/reply.ts';
import { findApproval } from '../store/approvals.ts';
import type { Database } from '../store/schema.ts';
import { automaticEnds, findUpdate, type UpdateRow } from '../store/updates.ts';
import type { Announcer } from './announce.ts';
import { questionOf, tellAdmins } from './approval-cards.ts';
import { attemptsOf } from './attempts.ts';
import { storedView } from './update-view.ts';

/**
 * What is told of an update: a card that goes on (`ID/card`), and one final answer (`ID/final`), a message of its
 * own, because an edit rings nobody's phone. Keys are unique for ever, so there is one of each whatever restarts in
 * between. Whoever asked is told where they asked; of an automatic update, every admin's chat is.
 */
export interface Telling {
  /** The card as the update is now. Inside the transaction that made it so. */
  card(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void>;
  /** The final answer. Inside the transaction that ended the update. */
  end(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void>;
  /** The final answer can't be given where it was asked for: the admins are told it, so that somebody is. */
  lost(trx: Kysely<Database>, message: LostMessage): Promise<void>;
}

export interface TellingDeps {
  readonly outbox: Pick<Outbox, 'put'>;
  readonly announcer: Announcer;
  /** Ends of logs are for admins; whoever asked may have become one or ceased to be one. */
  readonly roleOf: (
    platform: string,
    person: string,
    /** The transaction in which it is asked: the store has one connection. */
    within: Kysely<Database>,
  ) => Role | undefined | Promise<Role | undefined>;
}

export function createTelling(deps: TellingDeps): Telling {
  const automatic = createAutomaticTelling(deps.announcer);

  /** Nobody asked and nobody waits: an app that its device wants installed. Its failure is news for admins. */
  async function unasked(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void> {
    if (!endedBadly(row.state)) return;
    const view = await storedView(trx, row);
    await deps.announcer.announce(trx, {
      // One message for one release, however often it is tried: the newest reason is shown.
      key: `unasked/${row.kind}/${row.app}/${row.to_version ?? ''}@${row.device}`,
      about: 'failure',
      reply: (language) => finalCard(view.outcome, view, language, { admin: true }),
      now,
    });
  }

  return {
    async card(trx, row, now) {
      if (row.automatic === 1) return automatic.card(trx, row, now);
      if (row.route === null) return;
      const route = JSON.parse(row.route) as Route;
      const language = languageOf(row);
      const view = await storedView(trx, row);
      const reply = (await questionOf(trx, row, now))?.(language) ?? progressCard(view, language);
      const answers = row.event_id ?? undefined;
      await deps.outbox.put(trx, { key: `${row.id}/card`, route, reply, answers, final: false, failed: false, now });
      await tellAdmins(trx, deps.announcer, row, now);
    },
    async end(trx, row, now) {
      if (row.automatic === 1) return automatic.end(trx, row, now);
      if (row.route === null) return unasked(trx, row, now);
      const route = JSON.parse(row.route) as Route;
      const view = await storedView(trx, row);
      const [platform = '', ...person] = row.requested_by.split(':');
      const role = await deps.roleOf(platform, person.join(':'), trx);
      // In a group others read along, whoever asked there.
      const admin = role !== undefined && roleAllows(role, 'admin') && isPrivate(route);
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
    async lost(trx, { key, route: { platform, chat }, reason, now }) {
      const id = FINAL.exec(key)?.[1];
      const row = id === undefined ? undefined : await findUpdate(trx, id);
      // Other answers are for whoever asked alone: a code, a list. They are counted (see `lostAnswers`).
      if (!row || row.automatic === 1) return;
      const view = await storedView(trx, row);
      await deps.announcer.announce(trx, {
        key: `${row.id}/lost`,
        about: 'always',
        except: { platform, chat },
        reply: (language) => lostCard(view, { platform, reason }, language),
        final: true,
        now,
      });
    },
  };
}

/** The key of a final answer, also of one that was sent anew. */
const FINAL = /^([^/]+)\/final(?:\/again)?$/;

/**
 * Automatic updates. Their card begins as the notice (see `auto.ts`) and goes on as any other. A further try of one
 * that failed has no card, and its failure is told only if it was the last: the first failure said that it goes on.
 */
function createAutomaticTelling(announcer: Announcer): Omit<Telling, 'lost'> {
  return {
    async card(trx, row, now) {
      const question = await questionOf(trx, row, now);
      if (question) {
        await announcer.announce(trx, { key: `${row.id}/card`, about: 'always', reply: question, now });
        return;
      }
      // Whoever was asked is also told what became of it.
      const asked = (await findApproval(trx, row.id)) !== undefined;
      const about = asked ? 'always' : 'news';
      if (!announcer.tells(about) || row.state === 'announced') return;
      if (!asked && (await triesBefore(trx, row)) > 0) return;
      const view = await storedView(trx, row);
      const reply = (language: Language) =>
        row.state === 'cancelled' ? withdrawnCard(view, language) : progressCard(view, language);
      await announcer.announce(trx, { key: `${row.id}/card`, about, reply, now });
    },
    async end(trx, row, now) {
      await this.card(trx, row, now);
      if (row.state === 'cancelled') return;
      const about = endedBadly(row.state) ? 'failure' : 'news';
      if (!announcer.tells(about)) return;
      const attempts = attemptsOf(await endsOf(trx, row), row.to_version ?? '');
      if (attempts.state === 'retry' && attempts.tries > 1) return;
      const after: After =
        attempts.state === 'retry'
          ? { what: 'again', inMs: attempts.at - now }
          : attempts.state === 'left' && attempts.tries > 1
            ? { what: 'left', tries: attempts.tries }
            : undefined;
      const view = await storedView(trx, row);
      const reply = (language: Language) => automaticFinalCard(view, after, language);
      await announcer.announce(trx, { key: `${row.id}/final`, about, reply, final: true, now });
    },
  };
}

async function endsOf(trx: Kysely<Database>, row: UpdateRow): Promise<UpdateRow[]> {
  return automaticEnds(trx, row.app, row.device);
}

async function triesBefore(trx: Kysely<Database>, row: UpdateRow): Promise<number> {
  const before = (await endsOf(trx, row)).filter(({ id }) => id !== row.id);
  const attempts = attemptsOf(before, row.to_version ?? '');
  return attempts.state === 'fresh' ? 0 : attempts.tries;
}

function languageOf(row: UpdateRow): Language {
  return row.language === 'zh' ? 'zh' : 'en';
}
