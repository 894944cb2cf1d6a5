import type { Clock } from '../../src/domain/id.ts';
import type { Progress } from '../../src/protocol/messages.ts';

/** Turns "so much is done" into reports that people can read: not too many, with a rate over the last seconds. */

export type Report = (progress: Progress) => void;

export interface ProgressMeter {
  /** So much is done now. Reported where the last report is old enough. */
  at(done: number): void;
  /** Reported in any case. */
  end(done: number): void;
}

/** At most four reports a second. */
const EVERY_MS = 250;
/** The rate is that of the last five seconds. */
const WINDOW_MS = 5_000;

/**
 * @param start what was done before (a resumed download): it counts as done and not as fast
 */
export function createProgressMeter(
  clock: Pick<Clock, 'monotonic'>,
  report: Report,
  options: { readonly unit: Progress['unit']; readonly total?: number | undefined; readonly start?: number },
): ProgressMeter {
  let samples: { readonly time: number; readonly done: number }[] = [
    { time: clock.monotonic(), done: options.start ?? 0 },
  ];
  let reported = Number.NEGATIVE_INFINITY;

  const tell = (done: number, now: number) => {
    reported = now;
    const first = samples[0];
    const seconds = first ? (now - first.time) / 1_000 : 0;
    const rate = first && seconds > 0 && done > first.done ? (done - first.done) / seconds : undefined;
    const { total, unit } = options;
    const left = rate !== undefined && total !== undefined ? Math.max(0, total - done) / rate : undefined;
    report({
      unit,
      done,
      ...(total === undefined ? {} : { total }),
      ...(rate === undefined ? {} : { rate: Math.round(rate) }),
      ...(left === undefined ? {} : { left: Math.round(left * 10) / 10 }),
    });
  };

  return {
    at: (done) => {
      const now = clock.monotonic();
      if (now - reported < EVERY_MS) return;
      // A restart from zero makes older samples meaningless.
      const last = samples.at(-1);
      if (last && done < last.done) samples = [];
      samples = samples.filter((sample) => now - sample.time <= WINDOW_MS);
      samples.push({ time: now, done });
      tell(done, now);
    },
    end: (done) => tell(done, clock.monotonic()),
  };
}
