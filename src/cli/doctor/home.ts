import { accessSync, constants, lstatSync, statfsSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { secretValues } from '../../domain/redact.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';
import { readableByOthers } from './users.ts';

const LEAST_FREE = 500e6;
const LEAST_INODES = 20_000;
/** What failed versions wrote is never removed by Fettle: worth a word from here on. */
const MUCH_ASIDE = 200e6;

/** The home: writable, room, who may read it. */
export const home: Check = {
  title: 'Home',
  limitMs: 20_000,
  async *look(facts, signal) {
    const { layout } = facts;
    if (!facts.exists) {
      yield note(`${layout.home} is not there yet: \`fettle up\` makes it.`);
      return;
    }
    try {
      accessSync(layout.home, constants.R_OK | constants.W_OK | constants.X_OK);
      yield ok(`${layout.home} is writable`);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code === 'EROFS' ? ' (its file system is read-only)' : '';
      yield wrong(
        `${layout.home} can't be written to${reason}`,
        'Change its owner, mount it for writing, or set FETTLE_HOME.',
      );
    }
    yield* room(layout.home);
    yield* modes(facts);
    for (const app of facts.apps) yield* sizes(facts, app, signal);
    const runtimes = await sizeOf(layout.runtimes, signal);
    if (runtimes > 0) yield ok(`runtimes/ takes ${bytes(runtimes)}`);
  },
};

function* room(folder: string): Generator<Finding> {
  const { bavail, bsize, ffree, files } = statfsSync(folder);
  const free = bavail * bsize;
  yield free < LEAST_FREE
    ? wrong(
        `Only ${bytes(free)} are free: an update needs room for the new version and a backup`,
        'Make room on that disk.',
      )
    : ok(`${bytes(free)} are free`);
  // Some file systems have no fixed number, and say 0.
  if (files > 0 && ffree < LEAST_INODES) {
    yield wrong(
      `Only ${ffree} more files can be made on that disk; an npm package may need thousands`,
      'Remove files you do not need (`df -i`).',
    );
  }
}

function* modes({ layout, config, configFile }: Facts): Generator<Finding> {
  const homeMode = modeOf(layout.home) ?? 0;
  let fine = true;
  if ((homeMode & 0o022) !== 0) {
    fine = false;
    yield wrong(`Others can write into ${layout.home}, and so change what runs`, `chmod 700 ${layout.home}`);
  }
  const secrets = Object.values(config?.apps ?? {}).some(({ env }) => secretValues(env).length > 0);
  const files = [
    layout.hub.key,
    layout.agent.key,
    layout.keeper.keep,
    layout.hub.db,
    join(layout.hub.dir, 'npm.conf'),
    join(layout.agent.dir, 'npm.conf'),
    ...(secrets ? [configFile] : []),
  ];
  for (const file of files) {
    const mode = modeOf(file);
    if (mode === undefined || readableByOthers(file, layout.hub.user) === undefined) continue;
    fine = false;
    yield wrong(`Others can read ${file} (mode ${(mode & 0o777).toString(8)}); it has secrets`, `chmod 600 ${file}`);
  }
  if (fine)
    yield ok(
      `Keys and secrets can be read by ${layout.hub.user === undefined ? 'this user' : `root and ${layout.hub.user}`} alone`,
    );
}

async function* sizes({ layout }: Facts, app: string, signal: AbortSignal): AsyncGenerator<Finding> {
  const { releases, backups, failed, shared } = layout.app(app);
  const of = async (folder: string) => sizeOf(folder, signal);
  const [versions, saved, aside, data] = [await of(releases), await of(backups), await of(failed), await of(shared)];
  if (versions + saved + aside + data === 0) return;
  yield ok(
    `${app} takes ${bytes(versions + saved + aside + data)}: versions ${bytes(versions)}, data ${bytes(data)}, backups ${bytes(saved)}, set aside ${bytes(aside)}`,
  );
  if (aside > MUCH_ASIDE)
    yield note(
      `What failed versions of ${app} wrote takes ${bytes(aside)}, and is never removed by Fettle`,
      `Look at ${failed}, and remove what you do not need.`,
    );
}

/** Bytes below a folder; 0 where there is none. */
async function sizeOf(folder: string, signal: AbortSignal): Promise<number> {
  let size = 0;
  const queue = [folder];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    signal.throwIfAborted();
    for (const entry of await readdir(next, { withFileTypes: true }).catch(() => [])) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) queue.push(path);
      else if (entry.isFile()) size += (await lstat(path).catch(() => undefined))?.size ?? 0;
    }
  }
  return size;
}

function modeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.mode;
}

function bytes(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} GB`;
  return count >= 1e6 ? `${Math.round(count / 1e6)} MB` : `${Math.ceil(count / 1e3)} kB`;
}
