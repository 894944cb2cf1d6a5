import type { AppConfig } from '../../config/agent-schema.ts';
import { stateOf, type UpdateState } from '../../src/domain/update.ts';
import type { Order } from '../../src/protocol/messages.ts';

type Kind = Pick<Order, 'kind' | 'withData'>;

/** Deadline of a state, in milliseconds: the app's own where it names one. */
export function deadlineOf(config: AppConfig, state: UpdateState, order?: Kind): number {
  const { deadlines, stop, healthy } = config;
  // Data may be large: reading a whole backup, or putting it in place, takes as long as fetching or going back may.
  if (order?.kind === 'restore' && (state === 'received' || state === 'staged')) return deadlineOf(config, 'fetching');
  if (state === 'starting' && placesData(order)) return deadlineOf(config, state) + deadlineOf(config, 'reverting');
  const standard = stateOf(state).deadlineMs ?? 60_000;
  switch (state) {
    case 'fetching':
    case 'swapping':
    case 'reverting':
      return deadlines[state] ?? standard;
    case 'stopping':
      return stop.grace + (stop.drain === undefined ? 0 : stop.drainFor) + standard;
    case 'probing':
      // A probe period longer than the deadline would make every update fail.
      return deadlines.probing ?? Math.max(standard, healthy.for * 2 + healthy.timeout);
    default:
      return standard;
  }
}

const WHILE_HELD = [
  'stopping',
  'swapping',
  'starting',
  'probing',
  'committing',
  'reverting',
  'restarting',
  'reprobing',
] as const;
/** Attempts at going back, and the time that an agent needs to be started again. */
const SPARE_MS = 10 * 60_000;

/** How long a hold must last: longer than everything that may happen while the app is not the keeper's. */
export function holdFor(config: AppConfig, order?: Kind): number {
  return WHILE_HELD.reduce((sum, state) => sum + deadlineOf(config, state, order), SPARE_MS);
}

/** Is older data put in place before the app is started? */
function placesData(order: Kind | undefined): boolean {
  return order?.kind === 'restore' || (order?.kind === 'rollback' && order.withData);
}
