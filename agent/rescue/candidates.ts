import { lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AppFolder } from '../../config/home.ts';
import { readLink } from '../../src/files/durable.ts';
import { executableOf } from '../../src/files/executable.ts';
import { readSlotRecord, type SlotRecord } from '../install/slots.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { prepareStart } from '../keeper/spawn.ts';
import type { SlotFault } from './contract.ts';

/** A slot as it is found on disk. */
export interface SlotState {
  readonly slot: string;
  readonly record?: SlotRecord | undefined;
  /** Absent: it is whole. */
  readonly fault?: SlotFault | undefined;
}

/** All slots of an app, and the ones that its links name. */
export interface SlotsFound {
  readonly all: readonly SlotState[];
  readonly current: SlotState | undefined;
  readonly lastGood: SlotState | undefined;
}

/**
 * Looks at slots. Whole is one that is there, whose marker can be read, and whose program is there.
 * @param spec how the app is started; absent, programs are not looked for
 */
export function findSlots(folder: AppFolder, spec: KeepSpec | undefined, environment: NodeJS.ProcessEnv): SlotsFound {
  const names = slotNames(folder.releases);
  const state = (slot: string): SlotState => {
    if (!names.includes(slot)) return { slot, fault: 'missing' };
    const record = readSlotRecord(join(folder.releases, slot));
    if (typeof record?.version !== 'string') return { slot, fault: 'unsealed' };
    const path = join(folder.releases, slot);
    const executable = executableOf(path);
    const there = executable
      ? lstatSync(executable.file, { throwIfNoEntry: false })?.isFile() === true
      : !spec || startable(spec, environment, path);
    return { slot, record, fault: there ? undefined : 'no-program' };
  };
  const linked = (link: string) => {
    const target = readLink(link);
    return target === undefined ? undefined : state(basename(target));
  };
  return { all: names.map(state), current: linked(folder.current), lastGood: linked(folder.lastGood) };
}

/** What chooses between slots. */
export interface Choice {
  readonly found: SlotsFound;
  /** A version or a slot's name that a person wants. */
  readonly to?: string | undefined;
  /** The slot that the agent, before it died, wanted started. */
  readonly held?: string | undefined;
  /** `current` has not been seen to fail. */
  readonly trustCurrent: boolean;
}

/**
 * The slots to try, in their order: what is there as long as nothing speaks against it, the last good one, else the
 * newest other whole one; where none is whole, what there is. Empty where a person wants one that is not there.
 */
export function candidates({ found, to, held, trustCurrent }: Choice): readonly SlotState[] {
  const { all, current, lastGood } = found;
  const whole = all.filter(isWhole).toSorted((a, b) => (b.record?.sealedAt ?? 0) - (a.record?.sealedAt ?? 0));
  if (to !== undefined) return whole.filter(({ slot, record }) => slot === to || record?.version === to).slice(0, 1);
  const list = [
    ...(held === undefined ? [] : whole.filter(({ slot }) => slot === held)),
    ...(trustCurrent && current && isWhole(current) ? [current] : []),
    ...(lastGood && isWhole(lastGood) && (trustCurrent || lastGood.slot !== current?.slot) ? [lastGood] : []),
  ];
  const other = whole.find(({ slot }) => slot !== current?.slot && slot !== lastGood?.slot);
  const before = list.some(({ slot }) => slot !== current?.slot);
  if (!before && other) list.push(other);
  // What there is: better than nothing, and perhaps its reason has gone.
  if (list.length === 0 && current && current.fault !== 'missing') list.push(current);
  return list.filter(({ slot }, index) => list.findIndex((one) => one.slot === slot) === index);
}

export function isWhole(state: SlotState): boolean {
  return state.fault === undefined;
}

function startable(spec: KeepSpec, environment: NodeJS.ProcessEnv, slot: string): boolean {
  try {
    prepareStart(spec, environment, slot);
    return true;
  } catch {
    return false;
  }
}

function slotNames(releases: string): string[] {
  try {
    return readdirSync(releases, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
