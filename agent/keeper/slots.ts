import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { readLink, switchLink } from '../../src/files/durable.ts';
import { executableOf, isSameFile, switchFile } from '../../src/files/executable.ts';

/**
 * Points an app's `current` at another slot; where a slot is one executable, that is put in its place.
 *
 * @param slot relative to the app's folder; `.` stands for what is there already
 * @returns false where it points there already, or the slot does not exist
 * @throws the system's error; `current` is then what it was
 */
export function goToSlot(dir: string, slot: string): boolean {
  const current = join(dir, 'current');
  if (slot === '.' || !existsSync(join(dir, slot))) return false;
  const executable = executableOf(join(dir, slot));
  const switched = executable !== undefined && goToFile(executable);
  if (readLink(current) === slot) return switched;
  switchLink(current, slot);
  return true;
}

/** An app that is one executable runs what is installed, whatever `current` names. */
function goToFile({ file, target }: { readonly file: string; readonly target: string }): boolean {
  if (!existsSync(file) || isSameFile(file, target)) return false;
  switchFile(target, file);
  return true;
}

/** What the app's `last-good` points at. */
export function lastGoodOf(dir: string): string | undefined {
  return readLink(join(dir, 'last-good'));
}

/** The real path of the slot that `current` names; the folder itself where there is none. */
export function currentSlotOf(dir: string): string {
  try {
    return realpathSync(join(dir, 'current'));
  } catch {
    return dir;
  }
}
