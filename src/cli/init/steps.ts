import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { adoptBinary, openBinary } from '../../../agent/install/binary.ts';
import { openSlots, type Slots } from '../../../agent/install/slots.ts';
import type { AppFolder } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../files/durable.ts';
import type { Step } from './contract.ts';
import { copyTree } from './copy-tree.ts';
import { leaveLink, type MoveDeps, move, removeLink } from './move.ts';
import { removeApp } from './yaml.ts';

/** Doing and undoing the steps of a record. Each looks at what is there, so it may be done again after a kill. */

export interface StepDeps extends MoveDeps {
  readonly app: string;
  readonly folder: AppFolder;
  readonly now: () => number;
  /** Something that a person should know. */
  readonly say: (line: string) => void;
}

/** @throws the reason why it can't be done; doing it again goes on from there */
export async function doStep(step: Step, deps: StepDeps): Promise<void> {
  const { folder, signal } = deps;
  switch (step.do) {
    case 'copy': {
      const slots = openSlots(folder);
      if (slots.record(step.slot)) return;
      await copyTree({ from: step.from, to: slots.prepare(step.slot), only: step.only, without: step.without, signal });
      return;
    }
    case 'keep':
      await move(step.from, step.to, deps);
      leaveLink(step.from, step.to);
      return;
    case 'seal': {
      const slots = openSlots(folder);
      if (slots.record(step.slot)) return;
      const { version, digest, keep } = step;
      const record = { version, digest, abi: process.versions.modules, sealedAt: deps.now() };
      await slots.seal(step.slot, record, keep, signal);
      return;
    }
    case 'binary': {
      const { version } = step;
      await adoptBinary(folder, step.path, { version, now: deps.now(), signal });
      return;
    }
    case 'point': {
      const slots = openSlots(folder);
      slots.setLastGood(step.slot);
      slots.activate(step.slot);
      return;
    }
    case 'write': {
      const now = contentOf(step.path);
      if (now === step.after) return;
      if (now !== step.before)
        throw new FettleError('init_refused', {
          data: {
            path: step.path,
            reason: 'it was changed meanwhile',
            advice: `Go back first: fettle init --undo ${deps.app}`,
          },
        });
      makeFolder(dirname(step.path), step.is === 'config' ? 0o700 : 0o755);
      writeDurably(step.path, step.after, step.mode);
      await reload(step, deps);
      return;
    }
  }
}

/** @throws the reason why it can't be undone; undoing it again goes on from there */
export async function undoStep(step: Step, deps: StepDeps): Promise<void> {
  const { folder } = deps;
  switch (step.do) {
    case 'copy':
      openSlots(folder).remove(step.slot);
      return;
    case 'keep':
      removeLink(step.from, step.to);
      await move(step.to, step.from, deps);
      return;
    case 'seal':
      return;
    case 'binary': {
      // What is installed is a file of its own; only the other names of it go.
      const slots = openBinary(folder, step.path);
      if (existsSync(folder.releases)) for (const slot of readdirSync(folder.releases)) slots.remove(slot);
      for (const link of [folder.current, folder.lastGood])
        for (const name of [link, `${link}.new`]) rmSync(name, { force: true });
      return;
    }
    case 'point':
      for (const link of [folder.current, folder.lastGood])
        for (const name of [link, `${link}.new`]) rmSync(name, { force: true });
      return;
    case 'write': {
      const now = contentOf(step.path);
      if (now === null || now === step.before) return;
      const left = now === step.after || step.is !== 'config' ? step.before : removeApp(now, deps.app);
      if (left === null) {
        rmSync(step.path, { force: true });
        syncFolder(dirname(step.path));
      } else writeDurably(step.path, left, statSync(step.path).mode & 0o777);
      await reload(step, deps);
      return;
    }
  }
}

/** Data that came to be under Fettle, or was put into `shared/` by hand: what `undoStep` knows nothing of. */
export function collectFromSlots(deps: StepDeps, keep: readonly string[]): Slots {
  const slots = openSlots(deps.folder);
  const current = slots.current();
  if (current !== undefined) slots.collectKept(current, keep);
  return slots;
}

/** systemd reads its files when it is told to. */
async function reload(step: Extract<Step, { do: 'write' }>, deps: StepDeps): Promise<void> {
  if (step.is === 'config') return;
  const answer = await deps.ask('systemctl', [...(step.is === 'user-drop-in' ? ['--user'] : []), 'daemon-reload']);
  if (answer?.code !== 0) deps.say('systemd could not be told: run `systemctl daemon-reload`.');
}

function contentOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
