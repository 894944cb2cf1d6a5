import { existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../../../agent/journal.ts';
import { createKeeperClient } from '../../../agent/keeper/client.ts';
import { openKeepFile, peekKeepFile } from '../../../agent/keeper/keep-file.ts';
import { takeLock } from '../../../agent/keeper/lock.ts';
import { findByStartId } from '../../../agent/keeper/processes.ts';
import type { AppFolder, HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { isFinal } from '../../domain/update.ts';
import { syncFolder } from '../../files/durable.ts';
import type { InitRecord } from './contract.ts';
import { move } from './move.ts';
import { readRecord, removeRecord, writeRecord } from './record.ts';
import { refuseWriters } from './refusals.ts';
import { collectFromSlots, type StepDeps, undoStep } from './steps.ts';

/** Brings the layout back that was there before `fettle init`, with the data as it is today. */

export type UndoDeps = Omit<StepDeps, 'app' | 'folder' | 'check'> & { readonly layout: HomeLayout };

/** Is the app started by this home's Fettle? */
export interface Running {
  readonly pids: readonly number[];
  /** Ends it, and sees to it that it is not started again. */
  stop(): Promise<void>;
}

/** What stands in the way of going back now. @throws {FettleError} `init_refused`: an update of it is under way */
export async function runningOf(record: InitRecord, layout: HomeLayout, deps: UndoDeps): Promise<Running | undefined> {
  const { app } = record;
  const refuse = (reason: string, advice: string) =>
    new FettleError('init_refused', { data: { path: app, reason, advice } });
  const busy = openJournal(layout.agent.journal)
    .list()
    .find((entry) => entry.order.app === app && !isFinal(entry.state));
  if (busy) throw refuse(`its update ${busy.order.update} is under way`, `Wait for it, or cancel it: /update cancel`);
  const dropIn = record.steps.find((step) => step.do === 'write' && step.is !== 'config');
  if (dropIn?.do === 'write') {
    const unit = dropIn.path.split('/').at(-2)?.replace(/\.d$/, '') ?? '';
    const user = dropIn.is === 'user-drop-in' ? ['--user'] : [];
    const active = await deps.ask('systemctl', [...user, 'is-active', '--quiet', unit]);
    if (active?.code !== 0) return undefined;
    return {
      pids: [],
      async stop() {
        const stopped = await deps.ask('systemctl', [...user, 'stop', unit]);
        if (stopped?.code !== 0) throw refuse(`the unit ${unit} could not be stopped`, `systemctl status ${unit}`);
        deps.say(`Stopped the unit ${unit}.`);
      },
    };
  }
  const kept = peekKeepFile(layout.keeper.keep).records.get(app);
  if (!kept) return undefined;
  const pids = [kept.startId, kept.nextStartId].flatMap((id) =>
    id === null ? [] : findByStartId(id).map(({ pid }) => pid),
  );
  if (pids.length === 0) return { pids, stop: () => forget(app, layout, deps) };
  return {
    pids,
    async stop() {
      const keeper = createKeeperClient(layout.runtime.keeperSocket);
      try {
        const { gone } = await keeper.ask('stop', { app }, { timeoutMs: kept.spec.graceMs + 20_000 });
        if (!gone) throw refuse('something of it could not be stopped', 'Look for it with `ps`.');
        deps.say(`Stopped ${app}.`);
        await keeper.ask('forget', { app });
      } catch (error) {
        if (error instanceof FettleError) throw error;
        throw refuse(
          `it runs (pid ${pids.join(', ')}), and no keeper answers that could stop it`,
          'Start Fettle first: fettle up --detach',
        );
      } finally {
        keeper.close();
      }
    },
  };
}

/** A keeper that comes later must not start what is no longer there. */
async function forget(app: string, layout: HomeLayout, deps: UndoDeps): Promise<void> {
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('stop', { app }, { timeoutMs: 5_000 });
    await keeper.ask('forget', { app }, { timeoutMs: 5_000 });
    return;
  } catch {
    // None lives: its file is ours to write.
  } finally {
    keeper.close();
  }
  const lock = takeLock(layout.keeper.lock);
  try {
    const file = openKeepFile(layout.keeper.keep, (text) => deps.say(text));
    if (file.get(app)) file.settle(app, undefined);
  } finally {
    lock.release();
  }
}

/** @throws the reason of what failed; the same command goes on from there */
export async function undo(record: InitRecord, deps: UndoDeps): Promise<void> {
  const { app } = record;
  const folder = deps.layout.app(app);
  const check = (path: string) => refuseWriters(record.path, [path]);
  const all: StepDeps = { ...deps, app, folder, check };
  writeRecord(folder.dir, { ...record, state: 'undoing' });
  const keep = record.steps.flatMap((step) => (step.do === 'seal' ? step.keep : []));
  if (record.kind !== 'binary') collectFromSlots(all, keep);
  for (const step of record.steps.toReversed()) {
    await undoStep(step, all);
    if (step.do === 'keep') deps.say(`${step.path} is back in ${record.path}.`);
  }
  await bringOthers(record, all);
  removeFolders(folder, deps);
  removeRecord(folder.dir);
  try {
    rmdirSync(folder.dir);
    syncFolder(join(folder.dir, '..'));
  } catch {
    // Something is left in it, and was said.
  }
}

/** What was kept later than at the beginning goes to where it would have been. */
async function bringOthers(record: InitRecord, deps: StepDeps): Promise<void> {
  const { shared } = deps.folder;
  if (!existsSync(shared) || !record.path.startsWith('/')) return;
  for (const name of readdirSync(shared)) {
    const [from, to] = [join(shared, name), join(record.path, name)];
    if (isEmptyFolder(from)) {
      rmdirSync(from);
      continue;
    }
    if (lstatSync(to, { throwIfNoEntry: false })) {
      deps.say(`${from} stays where it is: ${to} is there as well.`);
      continue;
    }
    await move(from, to, deps);
    deps.say(`${name} was not there before; it is in ${record.path} now.`);
  }
}

function isEmptyFolder(path: string): boolean {
  return lstatSync(path).isDirectory() && readdirSync(path).every((name) => isEmptyFolder(join(path, name)));
}

/** Copies of code go; what may be the only copy of somebody's data stays, and is said. */
function removeFolders(folder: AppFolder, deps: UndoDeps): void {
  for (const path of [folder.releases, folder.tmp, folder.cache]) rmSync(path, { recursive: true, force: true });
  for (const path of [folder.shared, folder.backups, folder.failed]) {
    if (!existsSync(path)) continue;
    if (isEmptyFolder(path)) rmSync(path, { recursive: true, force: true });
    else deps.say(`Left: ${path}`);
  }
}

/** The record of an app that can be undone. @throws {FettleError} `init_refused` */
export function recordToUndo(layout: HomeLayout, app: string): InitRecord {
  const record = readRecord(layout.app(app).dir);
  if (record) return record;
  throw new FettleError('init_refused', {
    data: {
      path: app,
      reason: `nothing in ${layout.home} was taken over under that name`,
      advice: 'Nothing was changed.',
    },
  });
}
