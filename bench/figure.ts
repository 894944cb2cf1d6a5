/** What a benchmark measures and what it is measured against. */

/** One figure; with `--json` one line. A ratio is compared with its floor, which was measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number | null;
  readonly unit: string;
  /** What the same takes at least, in the same unit; null where there is none. */
  readonly floor: number | null;
  /** `value / floor`; null where the bar is on the value itself. */
  readonly ratio: number | null;
  /** The most that the ratio (or, without one, the value) may be; null: reported only. */
  readonly bar: number | null;
  /** null: not measured. */
  readonly ok: boolean | null;
  /** For people: spread, parts, or why it was not measured. Not in the JSON line. */
  readonly note: string;
}

/** What a benchmark is given. */
export interface Tools {
  /** A line on standard error. */
  progress(text: string): void;
  /** Run last-in first-out when the benchmark ends, fails or is interrupted. */
  cleanup(work: () => unknown): void;
}

/** One file a benchmark; `main.ts` lists them. */
export interface Benchmark {
  readonly name: string;
  readonly about: string;
  run(tools: Tools): Promise<readonly Figure[]>;
}

/** A figure whose bar is on the ratio to its floor. */
export function ratioFigure(
  name: string,
  parts: { value: number; floor: number; unit: string; bar: number | null; note?: string },
): Figure {
  const ratio = parts.value / parts.floor;
  const ok = parts.bar === null || ratio <= parts.bar;
  return {
    name,
    value: parts.value,
    unit: parts.unit,
    floor: parts.floor,
    ratio,
    bar: parts.bar,
    ok,
    note: parts.note ?? '',
  };
}

/** A figure whose bar is on the value itself. */
export function valueFigure(
  name: string,
  parts: { value: number; unit: string; bar: number; floor?: number; note?: string },
): Figure {
  const { value, unit, bar, floor = null, note = '' } = parts;
  return { name, value, unit, floor, ratio: null, bar, ok: value <= bar, note };
}

export function skipped(name: string, unit: string, reason: string): Figure {
  return { name, value: null, unit, floor: null, ratio: null, bar: null, ok: null, note: `not measured: ${reason}` };
}

/** The value below which a share of all lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** `12–15`: where the middle half lies. */
export function spread(values: readonly number[]): string {
  return `${show(percentile(values, 0.25))}–${show(percentile(values, 0.75))}`;
}

export function show(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
