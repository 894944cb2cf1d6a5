import { execFileSync } from 'node:child_process';
import type { HomeLayout } from '../../../config/home.ts';
import { accountName, isOurs, makeAccount } from '../service/accounts.ts';
import type { Found, Runner } from './contract.ts';

/** A user's name; the number where the machine knows none. */
export function userName(uid: number): string {
  try {
    return execFileSync('id', ['-nu', String(uid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim();
  } catch {
    return String(uid);
  }
}

/**
 * As whom an app is to run, where that is not Fettle's own user: who was said. Where the hub has a user of its own, an app
 * that nobody runs yet gets one as well; one that runs stays as it is.
 */
export function userFor(
  said: string | undefined,
  app: string,
  {
    found,
    runners,
    layout,
  }: { readonly found: Found; readonly runners: readonly Runner[]; readonly layout: HomeLayout },
): string | undefined {
  const me = process.geteuid?.() ?? 0;
  if (said !== undefined) return said === userName(me) ? undefined : said;
  const starts = found.kind !== 'binary' && !found.unit && runners.length === 0;
  return me === 0 && layout.hub.user !== undefined && starts ? accountName(serviceOf(layout.hub.user), app) : undefined;
}

/** What the service of a home is called, by its hub's user. */
function serviceOf(hubUser: string): string {
  return hubUser.replace(/-hub$/, '');
}

/** Makes the user of {@link userFor}; one that a person named is a person's to make. */
export function makeOwnAccount(
  user: string | undefined,
  app: string,
  layout: HomeLayout,
  say: (line: string) => void,
): void {
  const hub = layout.hub.user;
  if (user === undefined || hub === undefined || !isOurs(serviceOf(hub), user)) return;
  if (makeAccount(user, `App ${app} of ${layout.home}`, layout.app(app).shared).made) say(`Made the user ${user}.`);
}
