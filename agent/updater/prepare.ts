import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { compareVersions } from '../../src/domain/version.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { copyFirst, nextSequence } from '../backup/create.ts';
import { unfitModule } from '../install/native.ts';
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
  switch (order.kind) {
    case 'restart': {
      if (from === null) throw new FettleError('not_installed', { data: { app } });
      refuseOtherRuntime(task, from);
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
      refuseOtherRuntime(task, target);
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
      requireSpace(task, (origin.size ?? 0) * 3 + data * 2 + MARGIN);
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
      tmp: folder.tmp,
      cache: folder.cache,
      buildLog: deps.layout.buildLog(app),
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
