import { dirname } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { compareVersions, readVersion } from '../../src/domain/version.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { copyFirst, nextSequence } from '../backup/create.ts';
import { NOTHING_HEARS } from '../health/notify.ts';
import { UNKNOWN_VERSION } from '../install/binary.ts';
import { unfitModule } from '../install/native.ts';
import { writtenIntoSlot } from '../install/slot-contents.ts';
import { rehearseApp } from '../rehearsal/index.ts';
import { lockReason, untilUnlocked } from './app-lock.ts';
import { baselineOf } from './baseline.ts';
import { backupRequest, backupRoots, hasData, measure, orWithoutBackup } from './data.ts';
import { refuseUnmovable } from './movable.ts';
import { backupOfSwitch, chooseBackup } from './older-data.ts';
import { whatRuns } from './running.ts';
import type { Task } from './task.ts';

/** Room that must stay free on the device whatever an update needs. Bytes. */
const MARGIN = 64 * 1024 * 1024;
/** Paths that a refusal names at most. */
const NAMED_WRITES = 8;

/** `received`: may this be done at all, here and now? Nothing is changed. */
export async function received(task: Task, signal: AbortSignal): Promise<void> {
  const { order } = task.entry;
  const { slots, deps, config, app } = task;
  const current = slots.current();
  const baseline = await baselineOf(task, current, signal);
  const { from, fromVersion } = await whatRuns(task, current, signal);
  const known = { from, fromVersion, baseline };
  // Noted first, so that a refusal below can say what runs.
  task.note(known);
  await task.driver.usable?.(app, config, (pids) => current !== undefined && slots.runs(current, pids));
  signal.throwIfAborted();
  if (config.healthy.notify && !task.driver.ready) {
    throw new FettleError('check_unusable', { data: { app, check: 'notify', reason: NOTHING_HEARS } });
  }
  switch (order.kind) {
    case 'restart': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
      if (order.local?.backup) {
        if (!hasData(config)) {
          const reason = 'its configuration names nothing that is kept and backed up';
          throw new FettleError('backup_failed', { data: { app, reason } });
        }
        refuseUnmovable(task);
        requireSpace(task, task.folder.dir, (await measure(task.folder.shared, backupRoots(config))) + MARGIN);
        task.enter('staged', { to: from, toVersion: fromVersion, backup: sequenceFor(task) });
        return;
      }
      refuseOtherRuntime(task, from);
      task.enter('waiting', { to: from, toVersion: fromVersion });
      return;
    }
    case 'restore': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
      refuseUnmovable(task);
      const { chosen, bytes } = await chooseBackup(task, signal);
      const data = await measure(task.folder.shared, backupRoots(config));
      requireSpace(task, task.folder.dir, bytes + data * 2 + MARGIN);
      task.enter('staged', { to: from, toVersion: fromVersion, chosen, backup: sequenceFor(task) });
      return;
    }
    case 'rollback': {
      const target = slots.lastGood();
      const record = target === undefined ? undefined : slots.record(target);
      if (target === undefined || !record || target === from) throw new FettleError('no_last_good', { data: { app } });
      if (sequenceFor(task) !== null || order.withData) refuseUnmovable(task);
      refuseOtherRuntime(task, target);
      if (order.withData) backupOfSwitch(task, target, from);
      task.enter('staged', { to: target, toVersion: record.version, backup: sequenceFor(task) });
      return;
    }
    case 'install':
    case 'update': {
      if (sequenceFor(task) !== null) refuseUnmovable(task);
      if (from !== null && !task.self && !order.force) await refuseWrites(task, from, signal);
      const release = releaseOf(task);
      const to = slots.nameFor(release.version, release.digest);
      if (to === from) throw new FettleError('already_running_version', { data: { app, version: release.version } });
      if (!order.force && deps.blocked.reason(app, release.digest)) {
        throw new FettleError('release_blocked', { data: { app, version: release.version } });
      }
      const lastGood = slots.lastGood();
      // Of an executable that was put there by hand and does not say its version, or none that can be compared: what was noted before. With nothing to go
      // by, any older release could be had by ordering it then.
      const said = fromVersion !== null && fromVersion !== UNKNOWN_VERSION && readVersion(fromVersion) !== undefined;
      const floor = said ? fromVersion : (slots.binary?.noted() ?? null);
      const older = floor !== null && compareVersions(release.version, floor) < 0;
      if (older && config.downgrade !== 'any' && to !== lastGood) {
        throw new FettleError('downgrade_refused', { data: { app, from: floor, to: release.version } });
      }
      await slots.binary?.refuse(to, signal);
      const origin = await deps.acquirer.confirm({ app, config, release, signal });
      const data = await measure(task.folder.shared, backupRoots(config));
      // Packed, unpacked and in between: three times the download; the data for its backup, and for bringing it back.
      const packed = origin.size ?? 0;
      // A boot is rehearsed on a copy of slot and data.
      const copied = config.rehearse?.kind === 'boot' ? packed * 2 + data : 0;
      requireSpace(task, task.folder.dir, packed * 3 + data * 2 + copied + MARGIN);
      if (slots.binary) requireSpace(task, dirname(slots.binary.target()), packed * 3 + MARGIN);
      task.enter('fetching', {
        to,
        toVersion: release.version,
        backup: from === null ? null : sequenceFor(task),
      });
    }
  }
}

/** `fetching`: the release into a new slot, and the first pass of the backup. The app serves on. */
export async function fetching(task: Task, signal: AbortSignal): Promise<void> {
  const { slots, deps, config, app, folder } = task;
  const to = slotOf(task);
  // One that is there from before, for another Node.js, is made anew.
  if (!slots.record(to) || moduleForOther(task, to) !== undefined) {
    makeFolder(folder.tmp);
    await deps.acquirer.acquire({
      app,
      config,
      release: releaseOf(task),
      slot: slots.prepare(to),
      executable: slots.binary?.file(to),
      tmp: folder.tmp,
      cache: folder.cache,
      buildLog: deps.layout.buildLog(app),
      signal,
      progress: task.progress,
    });
    task.self?.finish(task);
  }
  await copyWhileItRuns(task, signal);
  task.enter('staged');
}

async function copyWhileItRuns(task: Task, signal: AbortSignal): Promise<void> {
  const { backup } = task.entry;
  if (backup !== null) await orWithoutBackup(task, signal, () => copyFirst(backupRequest(task, backup), signal));
}

/** `staged`: everything in the slot durable, then its marker. */
export async function staged(task: Task, signal: AbortSignal): Promise<void> {
  const { slots, config, deps, entry } = task;
  const to = slotOf(task);
  if (!slots.record(to)) {
    const release = releaseOf(task);
    const record = {
      version: release.version,
      digest: release.digest,
      abi: process.versions.modules,
      sealedAt: deps.clock.now(),
    };
    await slots.seal(to, record, config.keep, signal);
  } else if (['rollback', 'restore', 'restart'].includes(entry.order.kind)) {
    await copyWhileItRuns(task, signal);
  }
  if (slots.binary) {
    // Only now, with what was fetched found good: until here nothing has changed beside the executable.
    if (entry.from !== null) await slots.binary.adopt(entry.from, entry.fromVersion ?? '', deps.clock.now(), signal);
    if (to !== entry.from) await slots.binary.ready(to, signal);
  }
  task.enter(isRehearsed(task) ? 'rehearsing' : 'waiting');
}

/** A new release is tried where the file says how; one that has run here before is not. */
function isRehearsed({ self, config, entry }: Task): boolean {
  const { kind } = entry.order;
  return self ? kind !== 'restart' : config.rehearse !== undefined && (kind === 'update' || kind === 'install');
}

/** `rehearsing`: the candidate shows that it can start, on a copy of the data, while the old version serves. */
export async function rehearsing(task: Task, signal: AbortSignal): Promise<void> {
  const { self, config, slots, folder } = task;
  if (self) {
    await self.rehearse(task, signal);
  } else {
    const slot = slots.path(slotOf(task));
    if (config.rehearse?.kind === 'boot') {
      requireSpace(
        task,
        folder.dir,
        (await measure(slot, [''])) + (await measure(folder.shared, config.keep)) + MARGIN,
      );
    }
    await rehearseApp(task, slot, signal);
  }
  signal.throwIfAborted();
  task.enter('waiting');
}

/**
 * `waiting`: the last look before the app is touched. The app's own lock comes before the gate, so that nobody else waits
 * for it, and once more after it. The keeper learns how the app is to be started.
 */
export async function waiting(task: Task, signal: AbortSignal): Promise<void> {
  const { app, deps } = task;
  for (;;) {
    const unlocked = await untilUnlocked(task, signal);
    // This state once more: with its deadline anew.
    if (unlocked === 'renewed') return;
    if (unlocked === 'waited') await requireSpaceAgain(task);
    await deps.gate.enter(app, {
      signal,
      onWait: (other) => task.waitFor({ code: 'busy', data: { app, other }, retryable: true }),
    });
    await readyToStop(task);
    signal.throwIfAborted();
    if ((await lockReason(task, signal)) === undefined && !signal.aborted) break;
    deps.gate.leave(app);
  }
  task.enter('stopping');
}

async function readyToStop(task: Task): Promise<void> {
  const to = slotOf(task);
  if (!task.slots.record(to))
    throw new FettleError('artifact_invalid', { data: { app: task.app, reason: 'its slot is not whole' } });
  if (task.slots.binary && to !== task.entry.from && (task.slots.current() ?? null) !== task.entry.from) {
    const reason = 'somebody replaced it while the update waited';
    const path = task.slots.binary.target();
    throw new FettleError('not_replaceable', {
      data: { app: task.app, path, reason, advice: 'Ask again' },
      retryable: true,
    });
  }
  await task.driver.define(task.app, task.config);
}

/** Hours may have gone by: what the backup still needs may have been used by others. */
async function requireSpaceAgain(task: Task): Promise<void> {
  if (task.entry.backup === null) return;
  requireSpace(task, task.folder.dir, (await measure(task.folder.shared, backupRoots(task.config))) + MARGIN);
}

/** The release that the order names; orders of these kinds have one, or they were refused. */
export function releaseOf(task: Task): OrderedRelease {
  const { release } = task.entry.order;
  if (!release) throw new FettleError('protocol_violation', { data: { reason: 'the order names no release' } });
  return release;
}

/** The slot that is to run; known from `received` on. */
export function slotOf(task: Task): string {
  const { to } = task.entry;
  if (to === null) throw new FettleError('internal', { data: { reason: 'the update has no slot yet' } });
  return to;
}

/** What an app writes beside its program stays in the old slot, and goes with it: that is said before, not after. */
async function refuseWrites(task: Task, slot: string, signal: AbortSignal): Promise<void> {
  const { config, app, slots } = task;
  const written = await writtenIntoSlot(slots.path(slot), [...config.keep, ...config.cache], signal);
  const [path] = written;
  if (path === undefined) return;
  const keep = [...config.keep, ...written.slice(0, NAMED_WRITES)].join(', ');
  throw new FettleError('writes_into_slot', { data: { app, path: written.slice(0, NAMED_WRITES).join(', '), keep } });
}

/** A package in a slot that this Node.js can't load. Fettle's own slots bring theirs. */
function moduleForOther({ slots, self }: Task, slot: string): string | undefined {
  const record = self ? undefined : slots.record(slot);
  return record && unfitModule(slots.path(slot), record.abi, process.versions.modules);
}

/** What could not be started any more is left running. */
function refuseOtherRuntime(task: Task, slot: string): void {
  const module = moduleForOther(task, slot);
  if (module === undefined) return;
  const { version, abi } = task.slots.record(slot) ?? {};
  const data = { app: task.app, version, module, for: abi, here: process.versions.modules };
  throw new FettleError('wrong_runtime', { data });
}

function sequenceFor(task: Task): number | null {
  return !hasData(task.config) || !task.entry.order.backup ? null : nextSequence(task.folder.backups);
}

/** @param folder on the file system that is asked for the room, bytes */
function requireSpace(task: Task, folder: string, needed: number): void {
  if (folder === task.folder.dir) makeFolder(folder);
  const free = task.deps.freeSpace(folder);
  if (free < needed) {
    throw new FettleError('no_space', { data: { app: task.app, needed, free }, retryable: true });
  }
}
