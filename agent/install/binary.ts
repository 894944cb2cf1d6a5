import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { AppFolder } from '../../config/home.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { newestFirst, readVersion } from '../../src/domain/version.ts';
import { makeFolder, readLink, switchLink, syncFile, syncFolder, writeDurably } from '../../src/files/durable.ts';
import {
  besideOf,
  besidePrefix,
  EXECUTABLE,
  executableOf,
  isSameFile,
  linkOrCopy,
  switchFile,
} from '../../src/files/executable.ts';
import type { Spawn } from '../../src/origin/child.ts';
import { hashFile } from '../backup/save.ts';
import { readProcLink } from '../keeper/proc.ts';
import { commandLine } from '../keeper/scan.ts';
import { carryOver } from './attributes.ts';
import type { BinaryParts } from './binary-parts.ts';
import { createHashes, stampOf } from './hashes.ts';
import { inspectProgram, thisMachine } from './program.ts';
import { refuseUnreplaceable } from './replaceable.ts';
import { MARKER, readSlotRecord, type SlotRecord, type Slots, slotName } from './slots.ts';
import { resolveTarget } from './target.ts';

/**
 * One executable that is replaced where it is. The files of all slots lie beside it (`src/files/executable.ts`), so that
 * each switch is a link and one rename; `releases/SLOT/` holds the marker and a link to the file.
 *
 * Invariants: there is a whole executable at the path at each moment; the slot's link is made before its file, so no file
 * lies beside the executable that nobody knows of; which slot is installed is told by the installed file itself, not by
 * `current`; an executable that is no slot is made one before it is replaced.
 */

/** The version of an executable of which nobody has said one. */
export const UNKNOWN_VERSION = '0.0.0';

export interface BinaryDeps {
  readonly spawn?: Spawn | undefined;
}

/** @param path absolute; may be a link */
export function openBinary(folder: AppFolder, path: string, deps: BinaryDeps = {}): Slots {
  const hashes = createHashes();
  const slotFolder = (slot: string) => join(folder.releases, slot);
  const target = () => resolveTarget(path);
  const placed = (slot: string) => executableOf(slotFolder(slot));
  const file = (slot: string) => placed(slot)?.file ?? besideOf(target(), slot);
  const linked = (link: string) => {
    const to = readLink(link);
    return to === undefined ? undefined : basename(to);
  };
  const slotNames = () => {
    try {
      return readdirSync(folder.releases).filter((name) => readSlotRecord(slotFolder(name)) !== undefined);
    } catch {
      return [];
    }
  };

  /** Does the installed file have the content that the slot was sealed with? */
  const isSealedAs = (slot: string, at: string) => {
    const sealed = readSlotRecord(slotFolder(slot));
    if (sealed?.sha256 === undefined) return false;
    // Nothing was written to it since: a large file need not be read at each start of the agent.
    if (sealed.stamp !== undefined && stampOf(at) === sealed.stamp && isSameFile(file(slot), at)) return true;
    return hashes.of(at) === sealed.sha256;
  };

  /** The slot that is installed; its name-to-be where it is none yet; `undefined` where nothing is, or nobody may read it. */
  const installed = (): { readonly slot: string; readonly stranger?: string } | undefined => {
    const at = target();
    if (!isFile(at)) return undefined;
    // `current` first: two slots may have the same content.
    const names = new Set([...[linked(folder.current) ?? []].flat(), ...slotNames()]);
    try {
      const same = [...names].find((slot) => isSameFile(file(slot), at) && isSealedAs(slot, at));
      const slot = same ?? [...names].find((name) => isSealedAs(name, at));
      if (slot !== undefined) return { slot };
      const stranger = `sha256-${hashes.of(at)}`;
      return { slot: slotName(UNKNOWN_VERSION, stranger), stranger };
    } catch {
      return undefined;
    }
  };

  const record = (slot: string): SlotRecord | undefined => {
    const sealed = readSlotRecord(slotFolder(slot));
    if (sealed && isFile(file(slot))) return sealed;
    const now = installed();
    if (now?.slot !== slot) return undefined;
    return sealed ?? { version: UNKNOWN_VERSION, digest: now.stranger ?? '', abi: '', sealedAt: 0 };
  };

  const remove = (slot: string) => {
    rmSync(join(slotFolder(slot), MARKER), { force: true });
    // By the slot's own link alone: without one there is no file.
    const beside = placed(slot)?.file;
    if (beside !== undefined) {
      sweep(dirname(beside), (name) => name.startsWith(basename(beside)));
    }
    rmSync(slotFolder(slot), { recursive: true, force: true });
  };

  /** The slot's link, before there is a file. */
  const place = (slot: string, beside: string) => {
    makeFolder(slotFolder(slot));
    switchLink(join(slotFolder(slot), EXECUTABLE), beside);
  };

  const writeMarker = (slot: string, made: SlotRecord) => {
    mkdirSync(join(slotFolder(slot), dirname(MARKER)), { recursive: true });
    writeDurably(join(slotFolder(slot), MARKER), `${JSON.stringify(made)}\n`);
    syncFolder(slotFolder(slot));
  };

  /** The executable's path may lead elsewhere than when the slot was made. */
  const bringHere = (slot: string) => {
    const [before, here] = [file(slot), besideOf(target(), slot)];
    if (before === here) return;
    place(slot, here);
    if (lstatSync(here, { throwIfNoEntry: false }) === undefined) linkOrCopy(before, here);
    syncFolder(dirname(here));
    rmSync(before, { force: true });
  };

  const binary: BinaryParts = {
    target,
    file,
    isStranger: () => installed()?.stranger !== undefined,
    noted: () => {
      const slots = [linked(folder.current), linked(folder.lastGood)].filter((slot) => slot !== undefined);
      const versions = slots.map((slot) => readSlotRecord(slotFolder(slot))?.version);
      const known = versions.filter(
        (one) => one !== undefined && one !== UNKNOWN_VERSION && readVersion(one) !== undefined,
      );
      return newestFirst(known as string[])[0];
    },
    async adopt(slot, version, now, signal) {
      signal.throwIfAborted();
      const at = target();
      const sealed = readSlotRecord(slotFolder(slot));
      if (sealed && isFile(file(slot))) {
        bringHere(slot);
      } else {
        const beside = besideOf(at, slot);
        place(slot, beside);
        rmSync(beside, { force: true });
        linkOrCopy(at, beside);
        syncFile(beside);
        syncFolder(dirname(beside));
        const sha256 = await hashFile(beside);
        const made = { version, digest: `sha256-${sha256}`, abi: '', sealedAt: now, sha256 };
        writeMarker(slot, { ...(sealed ?? made), stamp: stampOf(beside) });
      }
      // Written over in place: what was a slot is so no longer, because both are one file.
      for (const other of slotNames()) {
        if (other !== slot && isSameFile(file(other), at) && !isSealedAs(other, at)) remove(other);
      }
      if (linked(folder.current) !== slot) switchLink(folder.current, join('releases', slot));
      const lastGood = linked(folder.lastGood);
      if (lastGood === undefined || !readSlotRecord(slotFolder(lastGood))) {
        switchLink(folder.lastGood, join('releases', slot));
      }
    },
    async ready(slot, signal) {
      signal.throwIfAborted();
      bringHere(slot);
      const beside = file(slot);
      const sealed = readSlotRecord(slotFolder(slot))?.sha256;
      if (sealed !== undefined && (!isFile(beside) || (await hashFile(beside)) !== sealed)) {
        const reason = `${beside} is no longer what was installed: it was changed`;
        throw new FettleError('artifact_invalid', { data: { reason } });
      }
      const at = target();
      if (isFile(at) && !isSameFile(at, beside)) {
        await carryOver(at, beside, signal, deps.spawn);
      }
    },
    isScript: () => isScript(target()),
    refuse: (slot, signal) => refuseUnreplaceable({ path, target: target(), slot, signal, spawn: deps.spawn }),
  };

  return {
    binary,
    path: slotFolder,
    nameFor: slotName,
    record,
    current: () => installed()?.slot,
    lastGood: () => linked(folder.lastGood),
    prepare(slot) {
      const beside = besideOf(target(), slot);
      // What was downloaded so far is gone on with; everything else of an interrupted attempt goes.
      if (placed(slot)?.file !== beside) remove(slot);
      rmSync(join(slotFolder(slot), MARKER), { force: true });
      place(slot, beside);
      return slotFolder(slot);
    },
    async seal(slot, made, _keep, signal) {
      const beside = file(slot);
      const at = target();
      const old = isFile(at) ? at : undefined;
      const before = old === undefined ? undefined : await inspectProgram(old, { arch: '', interpreters: false });
      const alsoRuns = before?.kind === 'other' ? before.for : undefined;
      const found = await inspectProgram(beside, { ...thisMachine(), alsoRuns });
      if (found.kind === 'other') {
        const here = `${process.platform}-${process.arch}`;
        const data = { version: made.version, file: basename(at), reason: found.wrong };
        throw found.for === undefined
          ? new FettleError('artifact_invalid', { data })
          : new FettleError('artifact_wrong_platform', { data: { ...data, for: [found.for], here } });
      }
      signal.throwIfAborted();
      if (old === undefined) {
        makeExecutable(beside);
      } else {
        await carryOver(old, beside, signal, deps.spawn);
      }
      syncFolder(dirname(beside));
      writeMarker(slot, { ...made, sha256: await hashFile(beside), stamp: stampOf(beside) });
    },
    activate(slot) {
      const { file: beside, target: at } = placed(slot) ?? { file: file(slot), target: target() };
      switchFile(at, beside);
      if (linked(folder.current) !== slot) switchLink(folder.current, join('releases', slot));
    },
    setLastGood: (slot) => switchLink(folder.lastGood, join('releases', slot)),
    // Kept paths are where they are: there are no links that could be lost.
    collectKept: () => [],
    deactivate() {
      const now = installed();
      // What somebody else put there is not ours to take away.
      if (now && now.stranger === undefined) rmSync(target(), { force: true });
      for (const link of [folder.current, folder.lastGood]) rmSync(link, { force: true });
      syncFolder(folder.dir);
      if (now) syncFolder(dirname(target()));
    },
    runs(slot, pids) {
      const beside = file(slot);
      const at = target();
      const shown =
        statSync(beside, { throwIfNoEntry: false, bigint: true }) ??
        statSync(at, { throwIfNoEntry: false, bigint: true });
      const isInstalled = isSameFile(beside, at) || installed()?.slot === slot;
      return pids.some((pid) => {
        if (shown && isExecutableOf(pid, shown)) return true;
        if (!isInstalled) return false;
        const now = statSync(at, { throwIfNoEntry: false, bigint: true });
        if (now && isExecutableOf(pid, now)) return true;
        // A script is run by its interpreter.
        if (!now || !isScript(at)) return false;
        const cwd = readProcLink(`/proc/${pid}/cwd`) ?? '/';
        return commandLine(pid).some((word) => [path, at].includes(resolve(cwd, word)));
      });
    },
    remove,
    prune(keep) {
      const stay = new Set([...keep, installed()?.slot, linked(folder.current), linked(folder.lastGood)]);
      for (const slot of readdirSync(folder.releases)) if (!stay.has(slot)) remove(slot);
      // What an interrupted switch left.
      const at = target();
      const known = new Set([...stay].map((slot) => (slot === undefined ? '' : basename(file(slot)))));
      const prefix = besidePrefix(basename(at));
      sweep(dirname(at), (name) => name.startsWith(prefix) && !known.has(name));
    },
  };
}

/** Takes over an executable that is there: what it is now becomes a slot, `current` and last-good. Nothing is replaced. */
export async function adoptBinary(
  folder: AppFolder,
  path: string,
  of: { readonly version: string; readonly now: number; readonly signal: AbortSignal },
): Promise<string> {
  const slots = openBinary(folder, path);
  const current = slots.current();
  if (current === undefined) {
    const advice = 'Name an executable that is there';
    throw new FettleError('not_replaceable', { data: { path, reason: 'it is no file', advice } });
  }
  const digest = slots.record(current)?.digest ?? '';
  const slot = slots.binary?.isStranger() ? slots.nameFor(of.version, digest) : current;
  await slots.binary?.adopt(slot, of.version, of.now, of.signal);
  slots.setLastGood(slot);
  return slot;
}

function isExecutableOf(pid: number, file: { readonly dev: bigint; readonly ino: bigint }): boolean {
  try {
    // Follows to the file itself, also where its name is another's by now.
    const running = statSync(`/proc/${pid}/exe`, { bigint: true });
    return running.dev === file.dev && running.ino === file.ino;
  } catch {
    return false;
  }
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** A link that somebody else put there is not followed. */
function makeExecutable(path: string): void {
  const handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fchmodSync(handle, 0o755);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function isScript(path: string): boolean {
  const handle = openSync(path, constants.O_RDONLY);
  try {
    const head = Buffer.alloc(2);
    readSync(handle, head, 0, 2, 0);
    return head.toString('latin1') === '#!';
  } finally {
    closeSync(handle);
  }
}

function sweep(folder: string, takes: (name: string) => boolean): void {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter(takes);
  } catch {
    return;
  }
  for (const name of names) rmSync(join(folder, name), { force: true });
  if (names.length > 0) syncFolder(folder);
}
