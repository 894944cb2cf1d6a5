import { randomInt } from 'node:crypto';
import { type AutoUpdatesDeps, createAutoUpdates } from '../rollout/auto.ts';
import { createHandsOff, type HandsOff } from '../rollout/hands-off.ts';
import { createNotices, type Notices } from '../rollout/notices.ts';
import { createSchedule, type Schedule, type ScheduleDeps } from '../rollout/schedule.ts';

/** What a hub does that nobody asks for, wired: checks at their times, notices, automatic updates. */
export function createHandsOffParts(
  deps: Omit<AutoUpdatesDeps, 'onChange' | 'checker'> & Pick<ScheduleDeps, 'settings'> & { checker: Checker },
): { readonly notices: Notices; readonly handsOff: HandsOff; readonly schedule: Schedule } {
  const notices = createNotices(deps);
  const auto = createAutoUpdates({ ...deps, onChange: () => handsOff.soon() });
  const handsOff = createHandsOff({ ...deps, auto, notices });
  const schedule = createSchedule({ ...deps, random: () => randomInt(1_000_000) / 1_000_000 });
  return { notices, handsOff, schedule };
}

type Checker = ScheduleDeps['checker'] & AutoUpdatesDeps['checker'];
