import { chmodSync, chownSync, existsSync, lstatSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { findUser } from '../../../agent/restart/user.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { toFettleError } from '../../domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../files/durable.ts';

/** Writes what a chat needs: the secret first, so that no configuration names one that is not there. */

/** @throws {FettleError} `home_not_writable`, `no_space`, `io_failed`; each file is then whole, as it was or as it is to be */
export function writeSecret(layout: HomeLayout, file: string, secret: string): void {
  // What a kill left there may have another mode.
  orFail(file, () => rmSync(`${file}.new`, { force: true }));
  write(layout, file, `${secret}\n`, 0o600);
}

/** Keeps the mode of a file that is there. @throws as {@link writeSecret} */
export function writeConfig(layout: HomeLayout, file: string, text: string): void {
  const mode = lstatSync(file, { throwIfNoEntry: false }) ? statSync(file).mode & 0o777 : 0o600;
  write(layout, file, text, mode);
}

export function removeFile(file: string): void {
  orFail(file, () => {
    rmSync(file, { force: true });
    if (existsSync(dirname(file))) syncFolder(dirname(file));
  });
}

function write(layout: HomeLayout, file: string, text: string, mode: number): void {
  orFail(file, () => {
    makeFolder(dirname(file));
    const owner = ownerOf(layout, file);
    writeDurably(file, text, mode);
    // Root may set up a home of somebody else, whose hub must be able to read it.
    if (owner) chownSync(file, owner.uid, owner.gid);
    const hub = layout.hub.user === undefined ? undefined : findUser(layout.hub.user);
    // Root's, and the hub reads it: as it makes it at each of its starts.
    if (hub && process.geteuid?.() === 0) {
      chownSync(file, 0, hub.gid);
      chmodSync(file, 0o640);
    }
  });
}

/** Whose the file is to be, where that is not this user already. */
function ownerOf(layout: HomeLayout, file: string): { uid: number; gid: number } | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const at = [file, layout.home, dirname(file)].find((path) => existsSync(path));
  if (at === undefined) return undefined;
  const { uid, gid } = statSync(at === file && statSync(at).uid === 0 ? dirname(file) : at);
  return uid === 0 ? undefined : { uid, gid };
}

function orFail(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw toFettleError(error, 'home_not_writable', { path });
  }
}
