import type { Kysely } from 'kysely';
import { type ApprovalEnd, type ApprovalLike, approvalCard, approvalEndCard } from '../chat/render-people.ts';
import type { Language, Reply, Route } from '../domain/reply.ts';
import { type ApprovalRow, findApproval } from '../store/approvals.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';
import type { Announcer } from './announce.ts';
import { approverOf, hasOthers } from './approvers.ts';
import { storedView } from './update-view.ts';

/**
 * The question whether an update may begin, as cards. Where somebody asked for the update, their own card is the
 * question, and each admin's chat has one more (`ID/approval`), which says in the end what became of it.
 */

/** The card of the update while it waits; `undefined`: it does not, or needs no approval. */
export async function questionOf(
  trx: Kysely<Database>,
  row: UpdateRow,
  now: number,
): Promise<((language: Language) => Reply) | undefined> {
  if (row.state !== 'approving') return undefined;
  const approval = await findApproval(trx, row.id);
  return approval && (await questionCard(trx, row, approval, now));
}

/** Puts the question before all admins but those who read `route`, or tells them what became of it. */
export async function tellAdmins(
  trx: Kysely<Database>,
  announcer: Announcer,
  row: UpdateRow,
  now: number,
): Promise<void> {
  const approval = await findApproval(trx, row.id);
  if (!approval) return;
  const waits = row.state === 'approving';
  const reply = waits ? await questionCard(trx, row, approval, now) : await endCard(trx, row, approval, now);
  const except = row.route === null ? undefined : (JSON.parse(row.route) as Route);
  await announcer.announce(trx, {
    ...{ key: `${row.id}/approval`, about: 'always', reply, except, now },
    ...(waits ? {} : { onlyShown: true, final: true }),
  });
}

async function questionCard(trx: Kysely<Database>, row: UpdateRow, approval: ApprovalRow, now: number) {
  const [view, facts] = [await namedView(trx, row), await factsOf(trx, row, approval, now)];
  return (language: Language) => approvalCard(view, facts, language);
}

async function endCard(trx: Kysely<Database>, row: UpdateRow, approval: ApprovalRow, now: number) {
  const [view, facts] = [await namedView(trx, row), await factsOf(trx, row, approval, now)];
  return (language: Language) => approvalEndCard(view, facts, endOf(row, approval), language);
}

function endOf(row: UpdateRow, { decision, decided_by_name: by }: ApprovalRow): ApprovalEnd {
  if (decision !== null) return { what: decision, by: by ?? '?' };
  return { what: row.state === 'timed-out' ? 'lapsed' : 'taken-back' };
}

async function namedView(trx: Kysely<Database>, row: UpdateRow) {
  return storedView(trx, row);
}

async function factsOf(
  trx: Kysely<Database>,
  row: UpdateRow,
  approval: ApprovalRow,
  now: number,
): Promise<ApprovalLike> {
  const askers = await askersOf(trx, row, approval);
  return {
    mode: approval.mode,
    digest: approval.digest,
    expiresAt: approval.expires_at,
    automatic: row.automatic === 1,
    force: row.force === 1,
    alone: !(await hasOthers(trx, askers, now)),
  };
}

/** Who asked: as it was then, and as the account belongs now. Two accounts may have become one person's meanwhile. */
export async function askersOf(
  db: Kysely<Database>,
  row: UpdateRow,
  approval: ApprovalRow,
): Promise<readonly string[]> {
  if (row.automatic === 1) return [];
  const asker = (await approverOf(db, row.requested_by))?.person;
  return [approval.asked_by, asker].flatMap((person) => person ?? []);
}
