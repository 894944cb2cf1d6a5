import type { Kysely } from 'kysely';
import type { UpdateView } from '../commands/index.ts';
import { Outcome, Problem, Progress } from '../protocol/messages.ts';
import { allDevices, type DeviceWithApps } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';

/** What people call a device, and whether it has to be said. */
export interface Place {
  readonly name: string;
  /** There are others. */
  readonly several?: boolean | undefined;
}

export function placeIn(devices: readonly DeviceWithApps[], id: string): Place {
  const name = devices.find((device) => device.id === id)?.name ?? id;
  return { name, several: devices.filter(({ state }) => state !== 'revoked').length > 1 };
}

/** {@link placeIn} of the store. */
export async function placeOf(trx: Kysely<Database>, id: string): Promise<Place> {
  return placeIn(await allDevices(trx), id);
}

/** An update as cards and commands see it. */
export function viewOf(row: UpdateRow, { name, several }: Place): UpdateView {
  const told = row.progress === null ? {} : (JSON.parse(row.progress) as { progress?: unknown; note?: unknown });
  const progress = Progress.safeParse(told.progress);
  const note = Problem.safeParse(told.note);
  const outcome = row.outcome === null ? undefined : Outcome.safeParse(JSON.parse(row.outcome));
  return {
    id: row.id,
    app: row.app,
    device: name,
    on: several ? name : undefined,
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
  };
}
