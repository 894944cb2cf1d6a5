import type { Fault } from '../chat-platform.ts';

type FaultOn<On extends Fault['on']> = Fault extends infer F
  ? F extends { readonly on: infer Its }
    ? On extends Its
      ? F
      : never
    : never
  : never;

/** What goes wrong next: a fault is used up by the calls or events that it is for; those of a kind in order. */
export interface Faults {
  add(fault: Fault): void;
  /** The fault for this call or event, if one waits: one of its times is used up. */
  next<On extends Fault['on']>(on: On): FaultOn<On> | undefined;
}

export function createFaults(): Faults {
  const waiting: { readonly fault: Fault; left: number }[] = [];
  return {
    add(fault) {
      waiting.push({ fault, left: 'times' in fault ? (fault.times ?? 1) : 1 });
    },
    next<On extends Fault['on']>(on: On) {
      const entry = waiting.find(({ fault }) => fault.on === on);
      if (!entry) return undefined;
      entry.left -= 1;
      if (entry.left <= 0) waiting.splice(waiting.indexOf(entry), 1);
      return entry.fault as FaultOn<On>;
    },
  };
}
