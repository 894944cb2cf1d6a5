import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync } from 'node:fs';
import { askStatus } from '../../adapters/terminal/index.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { loadConfig } from '../../config/load.ts';
import { addAudit } from '../store/audit.ts';
import { openStore } from '../store/open.ts';
import { makeCode } from '../store/person-codes.ts';
import { chatPlatforms } from './chat-platforms.ts';
import { machineClock } from './npm-tools.ts';

export interface ClaimOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly print: (line: string) => void;
}

const ASK_MS = 2_000;

/**
 * `fettle claim`: a fresh code that makes whoever sends it to the bot an admin. Written into the hub's database, whose
 * file only Fettle's user can open: so it needs no hub that runs, and one that does knows it at once.
 *
 * @returns the exit code: 1 where there is no hub, or it is another user's
 */
export async function runClaim({ layout, environment, config, print }: ClaimOptions): Promise<0 | 1> {
  const path = layout.hub.db;
  if (!existsSync(path)) {
    print(`There is no hub in ${layout.home} yet. \`fettle up\` makes one; then \`fettle claim\`.`);
    return 1;
  }
  const found = lstatSync(path);
  const owner = found.uid;
  // What root writes beside a database is its owner's: SQLite sees to that.
  const root = process.getuid?.() === 0 && layout.hub.user !== undefined && found.isFile();
  if (process.getuid !== undefined && owner !== process.getuid() && !root) {
    // What another user wrote beside the database could lock the hub out of it.
    print(`The hub is another user's. Run this as that one: sudo -u '#${owner}' fettle claim`);
    return 1;
  }
  const code = await freshCode(path);
  print('Send this to the bot in a direct message, within 10 minutes:');
  print('');
  print(`  /admin claim ${code}`);
  print('');
  print('Whoever sends it is an admin. It can be used once; an older code is worth nothing any more.');
  for (const line of await obstacles(layout, environment, config)) print(line);
  return 0;
}

async function freshCode(path: string): Promise<string> {
  const store = await openStore(path);
  try {
    return await store.db.transaction().execute(async (trx) => {
      const now = machineClock.now();
      const { code } = await makeCode(trx, { kind: 'claim' }, { random: (length) => randomBytes(length), now });
      await addAudit(trx, { at: now, by: 'terminal:local', byName: 'local', action: 'claim-code' });
      return code;
    });
  } finally {
    await store.close();
  }
}

/** Why nobody would hear it. */
async function obstacles(layout: HomeLayout, environment: Environment, config: string | undefined): Promise<string[]> {
  const file = config ?? layout.config;
  const lines: string[] = [];
  const status = await askStatus(layout.runtime.hubSocket, ASK_MS).catch(() => undefined);
  if (!status) lines.push('! The hub does not run: nobody would answer. Start it with `fettle up`.');
  if (!existsSync(file)) return lines;
  try {
    const { chats } = loadConfig(file).config;
    if (Object.keys(chatPlatforms(chats, file, environment.all)).length === 0)
      lines.push(`! No chat is set up in ${file}: there is no bot to send it to.`);
  } catch {
    lines.push(`! ${file} can't be used: \`fettle config check\` says why.`);
  }
  return lines;
}
