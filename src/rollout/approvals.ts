import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import type { Approvals, Asker, Decided } from '../commands/index.ts';
import { roleAllows } from '../domain/app.ts';
import { type Approval, type Approver, refusal } from '../domain/approval.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import type { CheckedApp, ReleaseChecker } from '../releases/index.ts';
import { type ApprovalRow, decideApproval, findApproval } from '../store/approvals.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import { listDevices } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates, findUpdate, type UpdateRow } from '../store/updates.ts';
import { askersOf } from './approval-cards.ts';
import { beginApproved, endUnapproved, lapse } from './approval-ends.ts';
import { approverOf, hasOthers } from './approvers.ts';
import type { Engine } from './engine.ts';
import type { Telling } from './telling.ts';

/**
 * Somebody's word about an update that waits for it. Invariants: who may say yes is decided by the store in the
 * transaction that lets the update begin; the word is bound to what was shown: digest, device, the version it leaves.
 */

export interface ApprovalsDeps {
  readonly db: Kysely<Database>;
  readonly clock: Pick<Clock, 'now'>;
  readonly checker: Pick<ReleaseChecker, 'check' | 'resolve'>;
  readonly apps: readonly (CheckedApp & { readonly approval?: Approval | undefined })[];
  readonly telling: Telling;
  readonly outbox: Pick<Outbox, 'wake'>;
  readonly engine: Pick<Engine, 'dispatch'>;
  /** An update ended: another thing may begin. */
  readonly onChange?: (() => void) | undefined;
}

/** Why what was asked for is not what would be done. */
type Broken = 'digest' | 'release' | 'device' | 'version' | 'asker';

/** The source is asked whether the release is still the same; one that is silent for so long is not waited for. */
const SOURCE_MS = 20_000;

export function createApprovals(deps: ApprovalsDeps): Approvals {
  const { db, clock, checker, telling } = deps;

  async function change<T>(work: (trx: Kysely<Database>, now: number) => Promise<T>): Promise<T> {
    const result = await db.transaction().execute((trx) => work(trx, clock.now()));
    deps.outbox.wake();
    return result;
  }

  async function questionOf(id: string): Promise<{ row: UpdateRow; approval: ApprovalRow }> {
    const row = await findUpdate(db, id);
    if (!row) throw new FettleError('unknown_update', { data: { id } });
    const approval = await findApproval(db, id);
    if (row.state !== 'approving' || !approval) throw over(row, approval);
    if (clock.now() < approval.expires_at) return { row, approval };
    // The hub was away when it ended, and this word came before its end was noticed.
    await change((trx, now) => lapse(trx, telling, row, now));
    deps.onChange?.();
    throw over((await findUpdate(db, id)) ?? row, undefined);
  }

  /** The update that is meant: with several, the only one that the asker may say yes to. */
  async function meant(id: string | undefined, asker: Asker): Promise<{ row: UpdateRow; approval: ApprovalRow }> {
    if (id !== undefined) return questionOf(id);
    const waiting = (await activeUpdates(db)).filter(({ state }) => state === 'approving');
    if (waiting.length === 0) throw new FettleError('nothing_to_approve');
    const questions = await Promise.all(waiting.map((row) => questionOf(row.id)));
    const approver = await approverOf(db, asker.who.id);
    const mine = [];
    for (const question of questions)
      if (approver && (await refusalOf(db, question, approver, clock.now())) === undefined) mine.push(question);
    const [only, more] = questions.length === 1 ? questions : mine;
    if (only && !more) return only;
    const ids = waiting.map((row) => `${row.id} (${row.app})`);
    throw new FettleError('bad_arguments', {
      data: { problem: 'several', fits: ids, usage: '/update approve ID' },
    });
  }

  async function refusalOf(
    within: Kysely<Database>,
    { row, approval }: { readonly row: UpdateRow; readonly approval: ApprovalRow },
    approver: Approver,
    now: number,
  ) {
    const askers = await askersOf(within, row, approval);
    const app = deps.apps.find(({ name }) => name === row.app);
    // The file may have become stricter since.
    const mode = app?.approval === 'second' ? 'second' : approval.mode;
    const others = await hasOthers(within, [...askers, approver.person], now);
    return refusal({ mode, askers }, approver, others, now);
  }

  async function requireApprover(
    within: Kysely<Database>,
    question: { readonly row: UpdateRow; readonly approval: ApprovalRow },
    asker: Asker,
    now: number,
  ): Promise<void> {
    const approver = await approverOf(within, asker.who.id);
    if (!approver || !roleAllows(approver.role, 'operator'))
      throw new FettleError('not_allowed', { data: { needed: 'operator', has: approver?.role } });
    const why = await refusalOf(within, question, approver, now);
    if (why !== undefined)
      throw new FettleError('approval_refused', {
        data: { why, id: question.row.id, since: why === 'too-new' ? (approver.since ?? undefined) : undefined },
      });
  }

  /** Is what would be done still what was asked for? */
  async function brokenBy(row: UpdateRow, approval: ApprovalRow, signal: AbortSignal): Promise<Broken | undefined> {
    const here = await brokenHere(db, row, approval);
    if (here !== undefined) return here;
    const app = deps.apps.find(({ name }) => name === row.app);
    if (!app?.source || row.to_version === null) return undefined;
    return digestChanged(app, row.to_version, approval.digest, signal);
  }

  /** As far as the store knows. */
  async function brokenHere(
    within: Kysely<Database>,
    row: UpdateRow,
    approval: ApprovalRow,
  ): Promise<Broken | undefined> {
    const devices = await listDevices(within);
    const device = devices.find(({ id, state }) => id === row.device && state === 'active');
    if (device?.id !== approval.device || row.device !== approval.device) return 'device';
    const runs = device.apps.find(({ app }) => app === row.app)?.version;
    if ((runs ?? null) !== row.from_version) return 'version';
    // What leaves is the update's digest, what was shown the approval's.
    if (row.digest !== approval.digest) return 'digest';
    if (row.automatic !== 1) {
      const asker = await approverOf(within, row.requested_by);
      if (!asker || !roleAllows(asker.role, 'operator')) return 'asker';
    }
    return undefined;
  }

  async function digestChanged(
    app: CheckedApp,
    version: string,
    digest: string | null,
    signal: AbortSignal,
  ): Promise<Broken | undefined> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MS)]);
    try {
      await checker.check(app, { signal: patience });
    } catch {
      // A source that does not answer is no reason: the order names the digest, and the device installs nothing else.
      signal.throwIfAborted();
    }
    try {
      const release = await checker.resolve(app, version, { signal: patience });
      return release.digest === digest ? undefined : 'digest';
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof FettleError && error.code === 'unknown_version' ? 'release' : undefined;
    }
  }

  const entry = ({ who, route, eventId }: Asker, at: number, action: string, row: UpdateRow, before?: string) => ({
    ...{ at, by: who.id, byName: who.name, route, eventId, action, target: row.app, before, after: row.id },
  });

  /** What the event did before, told again. */
  async function doneBefore(asker: Asker): Promise<Decided | undefined> {
    const done = await auditOfEvent(db, { eventId: asker.eventId, by: asker.who.id });
    const row = done?.after === undefined ? undefined : await findUpdate(db, done.after);
    if (!done || !row) return undefined;
    if (done.action === 'approval-void')
      throw new FettleError('approval_void', { data: { id: row.id, app: row.app, why: done.before } });
    return done.action === 'approve' || done.action === 'reject' ? decided(row, asker) : undefined;
  }

  async function decided(row: UpdateRow, asker: Asker): Promise<Decided> {
    const approval = await findApproval(db, row.id);
    const me = await approverOf(db, asker.who.id);
    const own = approval !== undefined && me !== undefined && (await askersOf(db, row, approval)).includes(me.person);
    return { id: row.id, app: row.app, to: row.to_version ?? undefined, requestedByName: row.requested_by_name, own };
  }

  return {
    async approve(id, asker, signal) {
      const before = await doneBefore(asker);
      if (before) return before;
      const question = await meant(id, asker);
      const { row, approval } = question;
      await requireApprover(db, question, asker, clock.now());
      const offered = await brokenBy(row, approval, signal);
      const why = await change(async (trx, now) => {
        // Roles, and what the device runs, may have changed while the source was asked.
        await requireApprover(trx, question, asker, now);
        const broken = offered ?? (await brokenHere(trx, row, approval));
        if (broken !== undefined) {
          if (await endUnapproved(trx, telling, row, voidOf(row, broken), now))
            await addAudit(trx, entry(asker, now, 'approval-void', row, broken));
          return broken;
        }
        const by = { decision: 'approved', by: asker.who.id, byName: asker.who.name, at: now } as const;
        if (!(await decideApproval(trx, row.id, by))) throw await nowOver(trx, row);
        if (!(await beginApproved(trx, telling, row, now))) throw over(await endedRow(trx, row), undefined);
        await addAudit(trx, entry(asker, now, 'approve', row, approval.digest ?? undefined));
        return undefined;
      });
      if (why !== undefined) {
        deps.onChange?.();
        throw new FettleError('approval_void', { data: voidOf(row, why).data });
      }
      await deps.engine.dispatch();
      return decided(row, asker);
    },

    async reject(id, asker) {
      const before = await doneBefore(asker);
      if (before) return before;
      const { row } = await meant(id, asker);
      const problem = { code: 'approval_rejected', data: { app: row.app, who: asker.who.name }, retryable: false };
      await change(async (trx, now) => {
        const by = { decision: 'rejected', by: asker.who.id, byName: asker.who.name, at: now } as const;
        if (!(await decideApproval(trx, row.id, by))) throw await nowOver(trx, row);
        if (!(await endUnapproved(trx, telling, row, problem, now))) throw over(await endedRow(trx, row), undefined);
        await addAudit(trx, entry(asker, now, 'reject', row));
      });
      deps.onChange?.();
      return decided(row, asker);
    },
  };
}

const voidOf = (row: UpdateRow, why: Broken) => ({
  code: 'approval_void' as const,
  data: { id: row.id, app: row.app, why },
  retryable: false,
});

/** Somebody was faster. Thrown out of the transaction, which undoes what it wrote. */
async function nowOver(trx: Kysely<Database>, row: UpdateRow): Promise<FettleError> {
  return over(await endedRow(trx, row), await findApproval(trx, row.id));
}

async function endedRow(trx: Kysely<Database>, row: UpdateRow): Promise<UpdateRow> {
  return (await findUpdate(trx, row.id)) ?? row;
}

function over(row: UpdateRow, approval: ApprovalRow | undefined): FettleError {
  const said = approval?.decision ? { who: approval.decided_by_name ?? '?', decision: approval.decision } : {};
  return new FettleError('not_approving', { data: { id: row.id, app: row.app, state: row.state, ...said } });
}
