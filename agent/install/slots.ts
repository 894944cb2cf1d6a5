import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { AppFolder } from '../../config/home.ts';
import { makeFolder, readLink, switchLink, syncFolder, writeDurably } from '../../src/files/durable.ts';
import { runsFrom } from '../keeper/processes.ts';
import type { BinaryParts } from './binary-parts.ts';
import { syncTree } from './sync-tree.ts';

/**
 * Slots: `releases/<version>-<digest>/`, one a release, and `current`, a symlink to the one that runs.
 *
 * Invariants: a slot without its marker (`.fettle/slot.json`, written last, after everything in the slot is
 * durable) is rubbish and may be removed; `current` is changed by one rename; a kept path is in `shared/` and
 * the slot has a link to it.
 */

/** Written last. */
export interface SlotRecord {
  readonly version: string;
  readonly digest: string;
  /** Node's ABI that native modules were installed for. */
  readonly abi: string;
  readonly sealedAt: number;
  /** Of a slot that is one executable: its content (lower-case hex). */
  readonly sha256?: string | undefined;
  /** Its size and time when it was sealed. */
  readonly stamp?: string | undefined;
}

/** The marker, in a slot's folder. */
export const MARKER = join('.fettle', 'slot.json');

/** The record of the slot at a path; `undefined` where it is not complete. */
export function readSlotRecord(path: string): SlotRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(path, MARKER), 'utf8')) as SlotRecord;
  } catch {
    return undefined;
  }
}

/** The name for a release's slot. */
export function slotName(version: string, digest: string): string {
  return `${version}-${createHash('sha256').update(digest).digest('hex').slice(0, 8)}`;
}

export interface Slots {
  /** Where a slot is one executable that is replaced in place: what is different then. */
  readonly binary?: BinaryParts | undefined;
  /** The name for a release's slot. */
  nameFor(version: string, digest: string): string;
  path(slot: string): string;
  /** The slot's record; `undefined` where it is not complete. */
  record(slot: string): SlotRecord | undefined;
  /** Slot that `current` points to; `undefined` before the first installation. */
  current(): string | undefined;
  lastGood(): string | undefined;
  /** An empty folder for a new slot. What an interrupted attempt left there is removed first. */
  prepare(slot: string): string;
  /**
   * Makes what was fetched a slot: links kept paths in, makes everything durable, then writes the marker.
   * @throws {FettleError} of one executable: `artifact_invalid`, `artifact_wrong_platform`, `not_replaceable`
   */
  seal(slot: string, record: SlotRecord, keep: readonly string[], signal: AbortSignal): Promise<void>;
  /** Points `current` to a slot: one rename. */
  activate(slot: string): void;
  setLastGood(slot: string): void;
  /** After a stop: a kept file that the app replaced by rename is a real file in the slot; it goes to `shared/`. */
  collectKept(slot: string, keep: readonly string[]): readonly string[];
  /** Removes the app's links after a first installation that failed. */
  deactivate(): void;
  /** Does any of these processes run what is in the slot? Read from /proc. */
  runs(slot: string, pids: readonly number[]): boolean;
  remove(slot: string): void;
  /** Removes every slot but these and those that `current` and `last-good` name. */
  prune(keep: readonly string[]): void;
}

export function openSlots(folder: AppFolder): Slots {
  try {
    for (const dir of [folder.releases, folder.shared, folder.tmp]) makeFolder(dir);
  } catch {
    // A full or read-only disk: what is there can still be looked at and started; who needs more finds out.
  }
  const path = (slot: string) => join(folder.releases, slot);
  const linked = (link: string) => {
    const target = readLink(link);
    return target === undefined ? undefined : basename(target);
  };
  const remove = (slot: string) => {
    // The marker goes first: a removal that is interrupted must not leave a slot that looks whole.
    rmSync(join(path(slot), MARKER), { force: true });
    rmSync(path(slot), { recursive: true, force: true });
  };
  return {
    path,
    nameFor: slotName,
    record: (slot) => readSlotRecord(path(slot)),
    current: () => linked(folder.current),
    lastGood: () => linked(folder.lastGood),
    prepare(slot) {
      remove(slot);
      makeFolder(path(slot));
      return path(slot);
    },
    async seal(slot, record, keep, signal) {
      const root = path(slot);
      for (const kept of keep) await linkKept(root, folder.shared, kept);
      await syncTree(root, signal);
      mkdirSync(join(root, '.fettle'), { recursive: true });
      writeDurably(join(root, MARKER), `${JSON.stringify(record)}\n`);
      syncFolder(root);
    },
    activate: (slot) => switchLink(folder.current, join('releases', slot)),
    setLastGood: (slot) => switchLink(folder.lastGood, join('releases', slot)),
    collectKept(slot, keep) {
      const collected: string[] = [];
      for (const kept of keep) {
        const inSlot = join(path(slot), kept);
        const stat = lstatSync(inSlot, { throwIfNoEntry: false });
        if (!stat || stat.isSymbolicLink()) continue;
        const shared = join(folder.shared, kept);
        makeFolder(dirname(shared));
        if (stat.isDirectory()) rmSync(shared, { recursive: true, force: true });
        renameSync(inSlot, shared);
        symlinkSync(relative(dirname(inSlot), shared), inSlot);
        syncFolder(dirname(shared));
        collected.push(kept);
      }
      return collected;
    },
    deactivate() {
      for (const link of [folder.current, folder.lastGood]) rmSync(link, { force: true });
      syncFolder(folder.dir);
    },
    runs: (slot, pids) => runsFrom(pids, path(slot)),
    remove,
    prune(keep) {
      const stay = new Set([...keep, linked(folder.current), linked(folder.lastGood)]);
      for (const slot of readdirSync(folder.releases)) if (!stay.has(slot)) remove(slot);
    },
  };
}

/**
 * Makes `slot/kept` a link to `shared/kept`. What the release brings there seeds `shared/` the first time only.
 * Where neither exists, a name without a dot becomes a folder; a name with one (`.env`, `bot.db`) is left for the
 * app to create through the link.
 */
async function linkKept(slot: string, shared: string, kept: string): Promise<void> {
  const inSlot = join(slot, kept);
  const target = join(shared, kept);
  const brought = lstatSync(inSlot, { throwIfNoEntry: false });
  makeFolder(dirname(target));
  mkdirSync(dirname(inSlot), { recursive: true });
  if (brought && !brought.isSymbolicLink() && !existsSync(target)) {
    // By way of a temporary name, so that an interrupted copy is never taken for the app's data.
    const seed = `${target}.seed`;
    rmSync(seed, { recursive: true, force: true });
    await cp(inSlot, seed, { recursive: true, preserveTimestamps: true });
    renameSync(seed, target);
  } else if (!existsSync(target) && !basename(kept).includes('.')) {
    mkdirSync(target, { recursive: true });
  }
  rmSync(inSlot, { recursive: true, force: true });
  symlinkSync(relative(dirname(inSlot), target), inSlot);
  syncFolder(dirname(target));
}
