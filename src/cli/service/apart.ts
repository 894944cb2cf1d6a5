import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asUser, cannotReach, findUser, makeReachable, setpriv, type User } from '../../../agent/restart/user.ts';
import { CHAT_PLATFORMS, secretPlace } from '../../../config/chat-secrets.ts';
import type { HomeLayout, HubPlace } from '../../../config/home.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import { SELF_APPS } from '../../domain/app.ts';
import { writeDurably } from '../../files/durable.ts';
import { accountName, isOurs, makeAccount, whyNoAccounts } from './accounts.ts';
import { asHubText } from './as-hub.ts';
import { refused, type ServiceOptions, type ServicePlan } from './contract.ts';
import type { Owner } from './owner.ts';

/** A hub that runs as a user of its own, and apps that do. Who may read and write what is a table in docs/systemd.md. */

const TRY_MS = 5_000;

export function hubPlace(service: string): HubPlace {
  return { user: accountName(service, 'hub'), runtime: join('/run', `${service}-hub`) };
}

/** Why hub and agent share a user; `undefined` where they need not. */
export function whyTogether(
  { layout, oneUser }: Pick<ServiceOptions, 'layout' | 'oneUser'>,
  owner: Owner,
  place: HubPlace,
): string | undefined {
  if (oneUser) return 'as you asked (--one-user)';
  if (!owner.root) return `the home belongs to ${owner.name}, and root runs nothing that somebody else can change`;
  const missing = whyNoAccounts();
  if (missing && !findUser(place.user)) return missing;
  try {
    setpriv((reason) => refused(reason));
  } catch {
    return 'setpriv is missing; install util-linux';
  }
  for (let above = dirname(layout.home); ; above = dirname(above)) {
    const stat = statSync(above, { throwIfNoEntry: false });
    const user = findUser(place.user);
    if (stat && (stat.mode & 0o001) === 0 && !(user && process.geteuid?.() === 0 && mayPass(user, above)))
      return `a user of the hub's own could not pass ${above}. A home elsewhere can be (FETTLE_HOME=/var/lib/fettle; docs/install.md says how to move one)`;
    if (above === dirname(above)) return undefined;
  }
}

function mayPass(user: User, folder: string): boolean {
  return cannotReach(user, [folder]) === undefined;
}

/** Files that are root's and that the hub reads: its configuration, and the secrets of its chats. */
function readFiles({ config }: Pick<ServiceOptions, 'config'>, layout: HomeLayout, loaded: LoadedConfig): string[] {
  const file = config ?? layout.config;
  const { chats } = loaded.config;
  const secrets = CHAT_PLATFORMS.filter((name) => chats[name] !== undefined).map(
    (name) => secretPlace(name, chats, file).file,
  );
  return [...new Set([file, ...secrets])];
}

/** Makes users, the script that starts the hub as its own, and slots that it can read. Safe to repeat; nothing is stopped. */
export function settleApart(plan: ServicePlan, place: HubPlace, loaded: LoadedConfig): void {
  const { layout, options } = plan;
  const { user, made } = makeAccount(place.user, `Hub of ${layout.home}`, layout.hub.dir);
  if (made) options.say(`Made the user ${place.user}, as whom the hub runs.`);
  const files = readFiles(options, layout, loaded);
  writeDurably(layout.keeper.asHub, asHubText({ layout, ...place, files }), 0o700);
  // The agent's own releases as well: the hub hands them to devices that join.
  for (const app of SELF_APPS) makeReachable(layout, app, user, []);
}

/** Users that the file names, and that are Fettle's to make. */
export function makeAppAccounts({ options, layout, owner }: ServicePlan, loaded: LoadedConfig): void {
  if (!owner.root || options.user) return;
  for (const [app, { user }] of Object.entries(loaded.config.apps)) {
    if (user === undefined || !isOurs(options.name, user) || findUser(user)) continue;
    makeAccount(user, `App ${app} of ${layout.home}`, layout.app(app).shared);
    options.say(`Made the user ${user}, as whom ${app} runs.`);
  }
}

/** What the hub will not be able to do as its own user, which root could. */
export function* hubLacks(layout: HomeLayout, loaded: LoadedConfig, place: HubPlace): Generator<string> {
  const user = findUser(place.user);
  if (!user) return;
  for (const [app, { source }] of Object.entries(loaded.config.apps)) {
    if (source?.kind === 'folder' && !mayRead(user, source.path))
      yield `${place.user} can't read ${source.path}, where releases of ${app} come from: setfacl -R -m u:${place.user}:rX ${source.path} (and x on each folder above it)`;
    if (source?.kind === 'git' && /^(ssh:|[^/:]+@[^/:]+:)/.test(source.url))
      yield `${place.user} has no ssh key for the source of ${app}: put one into ${layout.hub.dir}/.ssh`;
  }
}

/** May the user list a folder, or read a file? */
export function mayRead(user: User, path: string): boolean {
  const what = statSync(path, { throwIfNoEntry: false });
  if (!what) return true;
  const [run = '', ...rest] = asUser(user);
  const test = (flag: string) =>
    spawnSync(run, [...rest, '/usr/bin/env', 'test', flag, path], { timeout: TRY_MS, stdio: 'ignore' }).status === 0;
  return test('-r') && (!what.isDirectory() || test('-x'));
}

/**
 * Gives what is the hub's back to root, once it does not run: the way back from {@link settleApart}. The folder goes first,
 * so that nothing in it can be changed meanwhile.
 */
export function giveBack(
  layout: HomeLayout,
  loaded: LoadedConfig | undefined,
  options: Pick<ServiceOptions, 'config'>,
): void {
  if (process.geteuid?.() !== 0) return;
  const { dir } = layout.hub;
  if (existsSync(dir)) {
    const { uid } = lstatSync(dir);
    const given = spawnSync('chown', ['-h', 'root:root', dir], { timeout: TRY_MS });
    if (given.status === 0 && uid !== 0)
      spawnSync('find', [dir, '-uid', String(uid), '-exec', 'chown', '-h', 'root:root', '{}', '+']);
  }
  const files = loaded ? readFiles(options, layout, loaded) : [];
  for (const path of [
    ...files,
    layout.releases,
    layout.agent.dir,
    `${layout.agent.key}.pub`,
    join(layout.agent.dir, 'id'),
  ])
    if (existsSync(path)) spawnSync('chgrp', ['root', path], { timeout: TRY_MS });
  for (const path of files) if (existsSync(path)) spawnSync('chmod', ['600', path], { timeout: TRY_MS });
  rmSync(layout.keeper.asHub, { force: true });
}
