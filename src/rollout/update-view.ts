import type { Kysely } from 'kysely';
import type { UpdateView } from '../commands/index.ts';
import type { Trusted } from '../domain/trust-text.ts';
import { Outcome, Problem, Progress } from '../protocol/messages.ts';
import { reportOf } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';

/** The same, with what its device demands of the app's releases. */
export async function viewWithTrust(db: Kysely<Database>, row: UpdateRow, deviceName = row.device) {
  return viewOf(row, deviceName, (await reportOf(db, row.device, row.app))?.trust);
}

/** An update as cards and commands see it. @param deviceName what people call the device */
export function viewOf(row: UpdateRow, deviceName: string, trust?: Trusted): UpdateView {
  const told = row.progress === null ? {} : (JSON.parse(row.progress) as { progress?: unknown; note?: unknown });
  const progress = Progress.safeParse(told.progress);
  const note = Problem.safeParse(told.note);
  const outcome = row.outcome === null ? undefined : Outcome.safeParse(JSON.parse(row.outcome));
  return {
    id: row.id,
    app: row.app,
    device: deviceName,
    kind: row.kind,
    state: row.state,
    from: row.from_version ?? undefined,
    to: row.to_version ?? undefined,
    backup: row.backup ?? undefined,
    requestedBy: row.requested_by,
    requestedByName: row.requested_by_name,
    requestedAt: row.requested_at,
    stateAt: row.state_at,
    endedAt: row.ended_at ?? undefined,
    beginsAt: row.state === 'announced' ? (row.deadline_at ?? undefined) : undefined,
    progress: progress.success ? progress.data : undefined,
    note: note.success ? note.data : undefined,
    cancelRequested: row.cancel_requested === 1,
    outcome: outcome?.success ? outcome.data : undefined,
    trust,
  };
}
