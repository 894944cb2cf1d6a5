import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { syncTree } from '../../../agent/install/sync-tree.ts';
import { FettleError, systemCodeOf } from '../../domain/errors.ts';
import { makeFolder, readLink, syncFolder } from '../../files/durable.ts';
import type { AskProgram } from './ask.ts';

/**
 * Moves a file or a folder, to another file system too, so that at each moment the whole of it is somewhere: under its
 * old name, under its new one, or (`.fettle-old`, `.fettle-new`) both. May be run again after a kill at any point.
 */

const real = (path: string) => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isSymbolicLink();
};

export interface MoveDeps {
  readonly ask: AskProgram;
  readonly signal: AbortSignal;
  /** Called before anything is taken away. @throws where somebody writes to it */
  readonly check: (path: string) => void;
}

/** @throws {FettleError} `init_refused` where both are there, or the copy to another file system differs */
export async function move(from: string, to: string, deps: MoveDeps): Promise<void> {
  const old = `${from}.fettle-old`;
  const fresh = `${to}.fettle-new`;
  if (real(old)) {
    // The copy was whole when the old name was taken away.
    if (real(fresh)) rename(fresh, to);
    rmSync(old, { recursive: true, force: true });
    syncFolder(dirname(old));
    return;
  }
  if (!real(from)) return;
  if (real(to)) throw bothThere(from, to);
  deps.check(from);
  makeFolder(dirname(to));
  try {
    rename(from, to);
    return;
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  rmSync(fresh, { recursive: true, force: true });
  const copied = await deps.ask('cp', ['-a', '--', from, fresh]);
  if (copied?.code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new FettleError('init_refused', {
      data: { path: from, reason: `it could not be copied to ${dirname(to)}`, advice: 'Is there room on that disk?' },
    });
  }
  await syncTree(fresh, deps.signal);
  syncFolder(dirname(fresh));
  const [before, after] = [await digestOf(from), await digestOf(fresh)];
  deps.check(from);
  if (before !== after) {
    rmSync(fresh, { recursive: true, force: true });
    throw new FettleError('init_refused', {
      data: { path: from, reason: 'it changed while it was copied', advice: 'End what writes to it, then try again.' },
    });
  }
  rename(from, old);
  rename(fresh, to);
  rmSync(old, { recursive: true, force: true });
  syncFolder(dirname(old));
}

function rename(from: string, to: string): void {
  renameSync(from, to);
  syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) syncFolder(dirname(from));
}

function bothThere(from: string, to: string): FettleError {
  return new FettleError('init_refused', {
    data: {
      path: from,
      reason: `${to} is there as well`,
      advice: `Move one of them away: which ${basename(to)} is right is not for Fettle to say.`,
    },
  });
}

/** Leaves a link where something was. What is there already and is no such link stays. */
export function leaveLink(at: string, target: string): void {
  if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) return;
  symlinkSync(target, at);
  syncFolder(dirname(at));
}

/** Removes a link that leads to `target`; anything else stays. */
export function removeLink(at: string, target: string): void {
  if (readLink(at) !== target) return;
  rmSync(at);
  syncFolder(dirname(at));
}

/** A hash of names, kinds, modes and contents of a file or a tree. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  const visit = async (at: string, name: string): Promise<void> => {
    const stat = lstatSync(at);
    hash.update(`${name}\0${stat.mode}\0`);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(at));
    else if (stat.isFile()) for await (const chunk of createReadStream(at)) hash.update(chunk as Buffer);
    else if (stat.isDirectory())
      for (const child of readdirSync(at).sort()) await visit(join(at, child), `${name}/${child}`);
    hash.update('\0');
  };
  await visit(path, '');
  return hash.digest('hex');
}
