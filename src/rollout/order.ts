import type { HubMessage, Outcome, Problem } from '../protocol/messages.ts';
import type { UpdateRow } from '../store/updates.ts';
import { running } from './new-update.ts';

/** An order is good for this long; one that did not arrive is made anew. */
export const ORDER_MS = 5 * 60_000;

/** What a device is told to do about an update. Pure. */
export function orderOf(
  row: UpdateRow,
  { id, now, backup }: { readonly id: string; readonly now: number; readonly backup: boolean },
): HubMessage {
  const release =
    row.digest === null || row.to_version === null
      ? {}
      : { release: { version: row.to_version, channel: row.channel ?? 'stable', digest: row.digest } };
  return {
    type: 'order',
    now,
    order: {
      id,
      update: row.id,
      device: row.device,
      app: row.app,
      kind: row.kind,
      ...release,
      withData: row.with_data === 1,
      force: row.force === 1,
      backup,
      ...(row.backup === null ? {} : { backupSeq: row.backup }),
      // Which paths are the app's is for the device's own file to say.
      capability: { app: row.app, tools: [], paths: [] },
      notBefore: now,
      expiresAt: now + ORDER_MS,
    },
  };
}

/** The outcome of an update that failed at the hub. Pure. */
export function failedHere(row: UpdateRow, problem: Problem, now: number): Outcome {
  return {
    update: row.id,
    app: row.app,
    kind: row.kind,
    state: 'failed',
    problem,
    startedAt: row.requested_at,
    endedAt: now,
    ...running(row),
  };
}
