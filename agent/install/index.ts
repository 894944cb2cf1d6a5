import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { AppFolder } from '../../config/home.ts';
import { executableOf } from '../../src/files/executable.ts';
import { openBinary } from './binary.ts';
import { openSlots, type Slots } from './slots.ts';
import { resolveTarget } from './target.ts';

/**
 * How an app's releases are kept on this device.
 * @param config `undefined` where the file does not name the app: what is in its folder is what there is
 */
export function openInstallation(folder: AppFolder, config: Pick<AppConfig, 'binary'> | undefined): Slots {
  const path = config ? config.binary : executableAt(folder);
  return path === undefined ? openSlots(folder) : openBinary(folder, path);
}

/** The executable that an app's slots are versions of, where they are that; for when the file can't be asked. */
export function executableAt({ releases }: AppFolder): string | undefined {
  let names: string[] = [];
  try {
    names = readdirSync(releases);
  } catch {
    // Nothing is installed.
  }
  return names.map((slot) => executableOf(join(releases, slot))?.target).find((target) => target !== undefined);
}

/**
 * The folder of an app, as its updates see it. What one executable keeps is where it was: in its `data:`, else beside it.
 */
export function withData(folder: AppFolder, config: Pick<AppConfig, 'binary' | 'data'>): AppFolder {
  if (config.binary === undefined) return folder;
  return { ...folder, shared: config.data ?? dirname(resolveTarget(config.binary)) };
}
