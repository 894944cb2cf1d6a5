import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { findUser, type User } from '../../../agent/restart/user.ts';
import { refused } from './contract.ts';

/** Users of this machine that Fettle makes for its hub and for apps. */

const LONGEST_MS = 20_000;
/** useradd(8). */
const MOST_CHARACTERS = 31;

/** `fettle-web`: what the user of an app is called. Names that are too long for a user end in a few of their hash. */
export function accountName(service: string, app: string): string {
  const name = `${service}-${app}`.toLowerCase();
  if (name.length <= MOST_CHARACTERS) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 6);
  return `${name.slice(0, MOST_CHARACTERS - hash.length - 1)}-${hash}`;
}

/** May Fettle make this one? Others are a person's business. */
export function isOurs(service: string, user: string): boolean {
  return user.startsWith(`${service}-`) && /^[a-z][a-z0-9_-]{0,30}$/.test(user);
}

/** Why no user can be made here; `undefined` where one can. */
export function whyNoAccounts(): string | undefined {
  return has('useradd') || has('systemd-sysusers') ? undefined : 'neither useradd nor systemd-sysusers is here';
}

/**
 * A user without password, shell and privileges, with a group of its own. One that is there is left as it is.
 * @param home what passwd calls its home; not made
 * @throws {FettleError} `service_refused` where it could not be made
 */
export function makeAccount(name: string, what: string, home: string): { readonly user: User; readonly made: boolean } {
  const known = findUser(name);
  if (known) return { user: known, made: false };
  const made = has('useradd')
    ? run('useradd', [
        ...['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin'],
        ...['--home-dir', home, '--comment', what, name],
      ])
    : run('systemd-sysusers', ['-'], `u ${name} - "${what}" ${home} /usr/sbin/nologin\n`);
  const user = findUser(name);
  if (!user)
    throw refused(
      `the user ${name} could not be made: ${made || 'nothing was said'}`,
      `Make it: useradd --system ${name}`,
    );
  return { user, made: true };
}

/** @returns what it said of a failure */
function run(program: string, args: readonly string[], input = ''): string {
  const ran = spawnSync(program, args, { input, encoding: 'utf8', timeout: LONGEST_MS });
  return ran.error?.message ?? (ran.status === 0 ? '' : ran.stderr.trim().slice(0, 300));
}

function has(program: string): boolean {
  return spawnSync(program, ['--help'], { stdio: 'ignore', timeout: LONGEST_MS }).error === undefined;
}
