import { dirname } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { compareVersions } from '../../src/domain/version.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { copyFirst, nextSequence } from '../backup/create.ts';
import { baselineOf } from './baseline.ts';
import { backupRequest, backupRoots, measure } from './data.ts';
import { refuseUnmovable } from './movable.ts';
import { backupOfSwitch, chooseBackup } from './older-data.ts';
import { whatRuns } from './running.ts';
import type { Task } from './task.ts';

/** Room that must stay free on the device whatever an update needs. Bytes. */
const MARGIN = 64 * 1024 * 1024;

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
  switch (order.kind) {
    case 'restart': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
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
      if (order.withData) backupOfSwitch(task, target, from);
      task.enter('staged', { to: target, toVersion: record.version, backup: sequenceFor(task) });
      return;
    }
    case 'install':
    case 'update': {
      if (sequenceFor(task) !== null) refuseUnmovable(task);
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
      await slots.binary?.refuse(to, signal);
      const origin = await deps.acquirer.confirm({ app, config, release, signal });
      const data = await measure(task.folder.shared, backupRoots(config));
      // Packed, unpacked and in between: three times the download; the data for its backup, and for bringing it back.
      const fetched = (origin.size ?? 0) * 3;
      requireSpace(task, task.folder.dir, fetched + data * 2 + MARGIN);
      if (slots.binary) requireSpace(task, dirname(slots.binary.target()), fetched + MARGIN);
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
      executable: slots.binary?.file(to),
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
  if (slots.binary) {
    // Only now, with what was fetched found good: until here nothing has changed beside the executable.
    if (entry.from !== null) await slots.binary.adopt(entry.from, entry.fromVersion ?? '', deps.clock.now(), signal);
    if (to !== entry.from) await slots.binary.ready(to, signal);
  }
  task.enter(task.self && entry.order.kind !== 'restart' ? 'rehearsing' : 'waiting');
}

/** `rehearsing`: the candidate shows that it can start, on a copy of the data, while the old version serves. */
export async function rehearsing(task: Task, signal: AbortSignal): Promise<void> {
  await task.self?.rehearse(task, signal);
  signal.throwIfAborted();
  task.enter('waiting');
}

/** `waiting`: the last look before the app is touched. The keeper learns how the app is to be started. */
export async function waiting(task: Task, signal: AbortSignal): Promise<void> {
  const { app, deps } = task;
  await deps.gate.enter(app, {
    signal,
    onWait: (other) => deps.onReport(task.entry, undefined, { code: 'busy', data: { app, other }, retryable: true }),
  });
  const to = slotOf(task);
  if (!task.slots.record(to))
    throw new FettleError('artifact_invalid', { data: { app: task.app, reason: 'its slot is not whole' } });
  if (task.slots.binary && to !== task.entry.from && (task.slots.current() ?? null) !== task.entry.from) {
    const reason = 'somebody replaced it while the update waited';
    const path = task.slots.binary.target();
    throw new FettleError('not_replaceable', { data: { app, path, reason, advice: 'Ask again' }, retryable: true });
  }
  await task.driver.define(task.app, task.config);
  signal.throwIfAborted();
  task.enter('stopping');
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

function sequenceFor(task: Task): number | null {
  return backupRoots(task.config).length === 0 || !task.entry.order.backup ? null : nextSequence(task.folder.backups);
}

/** @param folder on the file system that is asked for the room, bytes */
function requireSpace(task: Task, folder: string, needed: number): void {
  if (folder === task.folder.dir) makeFolder(folder);
  const free = task.deps.freeSpace(folder);
  if (free < needed) {
    throw new FettleError('no_space', { data: { app: task.app, needed, free }, retryable: true });
  }
}
