import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { compareVersions } from '../../src/domain/version.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { copyFirst, nextSequence } from '../backup/create.ts';
import { NOTHING_HEARS } from '../health/notify.ts';
import { rehearseApp } from '../rehearsal/index.ts';
import { lockReason, untilUnlocked } from './app-lock.ts';
import { baselineOf } from './baseline.ts';
import { backupRequest, backupRoots, measure } from './data.ts';
import { backupOfSwitch, chooseBackup } from './older-data.ts';
import type { Task } from './task.ts';

/** Room that must stay free on the device whatever an update needs. Bytes. */
const MARGIN = 64 * 1024 * 1024;

/** `received`: may this be done at all, here and now? Nothing is changed. */
export async function received(task: Task, signal: AbortSignal): Promise<void> {
  const { order } = task.entry;
  const { slots, deps, config, app } = task;
  const current = slots.current();
  const fromVersion = current === undefined ? null : (slots.record(current)?.version ?? null);
  const from = current ?? null;
  const baseline = await baselineOf(task, current, signal);
  const known = { from, fromVersion, baseline };
  // Noted first, so that a refusal below can say what runs.
  task.note(known);
  if (config.healthy.notify && !task.driver.ready) {
    throw new FettleError('check_unusable', { data: { app, check: 'notify', reason: NOTHING_HEARS } });
  }
  switch (order.kind) {
    case 'restart': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
      task.enter('waiting', { to: from, toVersion: fromVersion });
      return;
    }
    case 'restore': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
      refuseLinks(task);
      const { chosen, bytes } = await chooseBackup(task, signal);
      const data = await measure(task.folder.shared, backupRoots(config));
      requireSpace(task, bytes + data * 2 + MARGIN);
      task.enter('staged', { to: from, toVersion: fromVersion, chosen, backup: sequenceFor(task) });
      return;
    }
    case 'rollback': {
      const target = slots.lastGood();
      const record = target === undefined ? undefined : slots.record(target);
      if (target === undefined || !record || target === from) throw new FettleError('no_last_good', { data: { app } });
      if (order.withData) backupOfSwitch(task, target, from);
      task.enter('staged', { to: target, toVersion: record.version, backup: sequenceFor(task) });
      return;
    }
    case 'install':
    case 'update': {
      refuseLinks(task);
      const release = releaseOf(task);
      const to = slots.nameFor(release.version, release.digest);
      if (to === from) throw new FettleError('already_running_version', { data: { app, version: release.version } });
      if (!order.force && deps.blocked.reason(app, release.digest)) {
        throw new FettleError('release_blocked', { data: { app, version: release.version } });
      }
      const lastGood = slots.lastGood();
      const older = fromVersion !== null && compareVersions(release.version, fromVersion) < 0;
      if (older && config.downgrade !== 'any' && to !== lastGood) {
        throw new FettleError('downgrade_refused', { data: { app, from: fromVersion, to: release.version } });
      }
      const origin = await deps.acquirer.confirm({ app, config, release, signal });
      const data = await measure(task.folder.shared, backupRoots(config));
      // Packed, unpacked and in between: three times the download; the data for its backup, and for bringing it back.
      const packed = origin.size ?? 0;
      // A boot is rehearsed on a copy of slot and data.
      const copied = config.rehearse?.kind === 'boot' ? packed * 2 + data : 0;
      requireSpace(task, packed * 3 + data * 2 + copied + MARGIN);
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
  if (!slots.record(to)) {
    makeFolder(folder.tmp);
    await deps.acquirer.acquire({
      app,
      config,
      release: releaseOf(task),
      slot: slots.prepare(to),
      tmp: folder.tmp,
      signal,
      progress: task.progress,
    });
    task.self?.finish(task);
  }
  const { backup } = task.entry;
  if (backup !== null) await copyFirst(backupRequest(task, backup), signal);
  task.enter('staged');
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
  } else if (['rollback', 'restore'].includes(entry.order.kind) && entry.backup !== null) {
    await copyFirst(backupRequest(task, entry.backup), signal);
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
      requireSpace(task, (await measure(slot, [''])) + (await measure(folder.shared, config.keep)) + MARGIN);
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
  await task.driver.define(task.app, task.config);
}

/** Hours may have gone by: what the backup still needs may have been used by others. */
async function requireSpaceAgain(task: Task): Promise<void> {
  if (task.entry.backup === null) return;
  requireSpace(task, (await measure(task.folder.shared, backupRoots(task.config))) + MARGIN);
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

/** A kept path that is itself a link would be backed up as a link: its data would not come back. */
function refuseLinks(task: Task): void {
  for (const path of backupRoots(task.config)) {
    const stat = lstatSync(join(task.folder.shared, path), { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) {
      const reason = 'it is a link; mount or move the data there, or leave it out of `backup`';
      throw new FettleError('backup_failed', { data: { app: task.app, path, reason } });
    }
  }
}

function sequenceFor(task: Task): number | null {
  return backupRoots(task.config).length === 0 || !task.entry.order.backup ? null : nextSequence(task.folder.backups);
}

function requireSpace(task: Task, needed: number): void {
  makeFolder(task.folder.dir);
  const free = task.deps.freeSpace(task.folder.dir);
  if (free < needed) {
    throw new FettleError('no_space', { data: { app: task.app, needed, free }, retryable: true });
  }
}
