import type { Clock } from '../domain/id.ts';
import type { SettingsReader } from '../domain/settings.ts';
import type { ReleaseChecker } from '../releases/index.ts';
import { createAlarm } from './alarm.ts';
import type { AutoUpdates } from './auto.ts';
import type { Notices } from './notices.ts';

/**
 * When it is looked at what is to be announced or begun: after a source has answered (whoever asked), after a change of
 * settings, when an update has ended or a device has reported, and at the times that notices and automatic updates
 * name. Each look reads everything from the store, so that one too many changes nothing and one is never missed for good.
 */
export interface HandsOff {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Something may have changed that it depends on. */
  soon(): void;
}

/** What happens at once is looked at once; and a person's request that began with a check has become an update. */
const SETTLE_MS = 1_000;

export function createHandsOff(deps: {
  readonly clock: Pick<Clock, 'now'>;
  readonly checker: Pick<ReleaseChecker, 'onAsked'>;
  readonly settings: Pick<SettingsReader, 'onChange'>;
  readonly auto: AutoUpdates;
  readonly notices: Pick<Notices, 'look'>;
  readonly log: (line: string) => void;
}): HandsOff {
  const ends: (() => void)[] = [];
  const alarm = createAlarm({
    clock: deps.clock,
    async work(signal) {
      // First what comes by itself: its announcement is the release's notice.
      const times = [await deps.auto.look(signal), await deps.notices.look(signal)].filter((at) => at !== undefined);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    onError: (error) => deps.log(`what is new could not be looked at: ${String(error)}`),
  });
  const soon = () => alarm.ring(deps.clock.now() + SETTLE_MS);
  return {
    async start() {
      await deps.auto.start();
      const onAsked = ({ answered }: { readonly answered: boolean }) => {
        if (answered) soon();
      };
      ends.push(deps.checker.onAsked(onAsked), deps.settings.onChange(soon));
      soon();
    },
    async stop() {
      for (const end of ends) end();
      await alarm.stop();
      await deps.auto.stop();
    },
    soon,
  };
}
