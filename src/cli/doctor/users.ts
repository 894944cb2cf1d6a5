import { existsSync, lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pidsOf } from '../../../agent/keeper/processes.ts';
import { findUser, type User } from '../../../agent/restart/user.ts';
import { readServiceRecord } from '../../../config/home.ts';
import { secretValues } from '../../domain/redact.ts';
import { accountName } from '../service/accounts.ts';
import { hubLacks, mayRead, readFiles } from '../service/apart.ts';
import { uidOf } from '../service/hand-over.ts';
import { ownerOf } from '../service/owner.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

/** Who runs as whom, and so what somebody has who takes over one of them. */
export const users: Check = {
  title: 'Users',
  limitMs: 15_000,
  async *look(facts) {
    if (!facts.exists) return;
    const { user } = facts.layout.hub;
    // A device whose hub is elsewhere shares nothing with it.
    if (user === undefined && existsSync(facts.layout.app('hub').current)) yield* together(facts);
    if (user !== undefined) yield* apart(facts, user);
    yield* apps(facts);
    yield* socket(facts);
  },
};

/** A home's documented trade-off, unless root runs it: one line. */
function* together({ layout, config }: Facts): Generator<Finding> {
  const record = readServiceRecord(layout.home);
  const { name, root } = ownerOf(layout.home);
  // What the apps share is told of root's below, app by app.
  const all = root || !config || Object.keys(config.apps).length === 0 ? 'Hub and agent' : 'Hub, agent and apps';
  const way =
    record && !record.user && root
      ? '`fettle install-service` gives the hub a user of its own.'
      : '`fettle install-service` as root, on a home of root’s, keeps them apart (docs/systemd.md).';
  yield note(`${all} share the user ${name}: whoever takes over one of them has what the others have`, way);
}

function* apart(facts: Facts, name: string): Generator<Finding> {
  const { layout, keeper, config, configFile } = facts;
  const user = findUser(name);
  if (!user || !existsSync(layout.keeper.asHub)) {
    const missing = user ? `${layout.keeper.asHub} is` : `The user ${name} is`;
    yield wrong(`${missing} not there: the hub can't be started`, 'fettle install-service');
    return;
  }
  const startId = keeper?.apps.hub?.running?.startId;
  const other =
    startId === undefined
      ? undefined
      : pidsOf(startId)
          .map(uidOf)
          .find((uid) => uid !== user.uid);
  const strange = foreign(layout.hub.dir, user);
  if (other !== undefined)
    yield wrong(`The hub runs as user ${other}, not as ${name}`, '`fettle install-service` starts it as its own.');
  else if (strange !== undefined)
    yield wrong(`${strange} is not ${name}'s: the hub may fail on it`, `chown -R ${name}: ${layout.hub.dir}`);
  else yield ok(`The hub runs as ${name}: it can't read the agent's key, nor change what root runs`);
  if (!config) return;
  if (process.geteuid?.() === 0)
    for (const line of hubLacks(layout, { file: configFile, config }, { user: name, runtime: '' })) yield wrong(line);
  if (process.geteuid?.() === 0)
    for (const file of readFiles({ config: configFile }, layout, { file: configFile, config }))
      if (!mayRead(user, file))
        yield wrong(
          `${name} can't read ${file}`,
          `chgrp ${name} ${file}; chmod 640 ${file}; and x on each folder above it`,
        );
  const told = Object.entries(config.apps).filter(([, { env }]) => secretValues(env).length > 0);
  if (told.length > 0)
    yield note(
      `${told.map(([app]) => app).join(', ')}: secrets under \`env\` are in a file that the hub reads`,
      'Put them into a kept .env of the app, which nobody else reads.',
    );
}

/** Kept apps of a root that runs Fettle, too. */
function* apps({ config, layout }: Facts): Generator<Finding> {
  const { name, root } = ownerOf(layout.home);
  const kept = Object.entries(config?.apps ?? {}).filter(
    ([, { user, restart }]) => user === undefined && (restart.kind === 'kept' || restart.kind === 'signal'),
  );
  const [first] = kept;
  if (!root || first === undefined) return;
  yield note(
    `${kept.map(([app]) => app).join(', ')}: run as ${name}, as Fettle does, and may read and change everything of it`,
    `Give each a \`user:\` in the file, such as ${accountName('fettle', first[0])}; \`fettle install-service\` makes that user.`,
  );
}

/** Whoever opens it is admin. */
function* socket({ layout, hub }: Facts): Generator<Finding> {
  const path = layout.runtime.hubSocket;
  if (!hub || !existsSync(path)) return;
  const [file, folder] = [lstatSync(path).mode, statSync(dirname(path)).mode];
  if ((file & 0o066) === 0 || (folder & 0o011) === 0) return;
  yield wrong(`Others can open ${path}, and are admin then`, `chmod 600 ${path}; chmod 700 ${dirname(path)}`);
}

/** The first thing at the top of the hub's folder that its user does not own. */
function foreign(folder: string, user: User): string | undefined {
  const files = ['', '/hub.db', '/hub.db-wal', '/hub.db-shm', '/key', '/port', '/id', '/lock', '/npm.conf'];
  return files
    .map((name) => `${folder}${name}`)
    .find((path) => (lstatSync(path, { throwIfNoEntry: false })?.uid ?? user.uid) !== user.uid);
}

/**
 * Who else than its owner can read a file: nobody (`undefined`), or its group or all. The hub's own group may, where it
 * has one, and folders above that are closed keep everybody out.
 */
export function readableByOthers(path: string, hubUser: string | undefined): 'group' | 'all' | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const hubGroup = hubUser === undefined ? undefined : findUser(hubUser)?.gid;
  const folders: number[] = [];
  for (let at = dirname(path); ; at = dirname(at)) {
    folders.push(statSync(at).mode);
    if (at === dirname(at)) break;
  }
  if ((stat.mode & 0o004) !== 0 && folders.every((mode) => (mode & 0o001) !== 0)) return 'all';
  const group = (stat.mode & 0o040) !== 0 && stat.gid !== hubGroup && folders.every((mode) => (mode & 0o011) !== 0);
  return group ? 'group' : undefined;
}
