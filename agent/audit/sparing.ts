import type { AuditLog, DeviceEntry } from './log.ts';

/**
 * For what a hub can cause as often as it likes, without anything being done for it: so many entries in an hour, and then
 * only how many there were more. Whoever floods the log must not drive out what is in it.
 */
export interface Sparing {
  /** Never throws. */
  note(entry: DeviceEntry): void;
  /** Says now how many were only counted. Never throws. */
  tellCounted(): void;
}

const MOST = 120;
const HOUR_MS = 60 * 60_000;

export function createSparing(log: Pick<AuditLog, 'note'>, clock: { monotonic(): number }): Sparing {
  let since = Number.NEGATIVE_INFINITY;
  let said = 0;

  function tellCounted(): void {
    const counted = said - MOST;
    if (counted > 0) log.note({ what: 'refused-more', times: counted });
    said = Math.min(said, MOST);
  }

  return {
    tellCounted,
    note(entry) {
      if (clock.monotonic() - since > HOUR_MS) {
        tellCounted();
        since = clock.monotonic();
        said = 0;
      }
      said += 1;
      if (said <= MOST) log.note(entry);
    },
  };
}
