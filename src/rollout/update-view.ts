import type { Kysely } from 'kysely';
import type { UpdateView } from '../commands/index.ts';
import type { Trusted } from '../domain/trust-text.ts';
import { Outcome, Problem, Progress } from '../protocol/messages.ts';
import { type DeviceWithApps, placeOf, reportOf } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';

/** Where an update happens, and what its device demands of the app's releases. */
export interface Place {
  /** What people call the device. */
  readonly name: string;
  /** There are others, so it has to be said. */
  readonly several?: boolean | undefined;
  readonly trust?: Trusted | undefined;
}

/** {@link storedView} of many: the devices are read once. */
export function viewIn(devices: readonly DeviceWithApps[], row: UpdateRow): UpdateView {
  const device = devices.find(({ id }) => id === row.device);
  return viewOf(row, {
    name: device?.name ?? row.device,
    several: devices.filter(({ state }) => state !== 'revoked').length > 1,
    trust: device?.apps.find(({ app }) => app === row.app)?.trust,
  });
}

/** An update as cards show it, with what the store knows of its device. */
export async function storedView(trx: Kysely<Database>, row: UpdateRow): Promise<UpdateView> {
  const trust = (await reportOf(trx, row.device, row.app))?.trust;
  return viewOf(row, { ...(await placeOf(trx, row.device)), trust });
}

/** An update as cards and commands see it. */
export function viewOf(row: UpdateRow, { name, several, trust }: Place): UpdateView {
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
    trust,
  };
}
