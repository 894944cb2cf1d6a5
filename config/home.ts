import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Where everything is on disk. Pure but for resolving the home's own links; nothing is created here. */

/** One app's folder. */
export interface AppFolder {
  readonly dir: string;
  /** Symlink to the slot that runs (`releases/V-DIGEST`, relative). */
  readonly current: string;
  /** Symlink to the slot that a failed update goes back to. */
  readonly lastGood: string;
  readonly releases: string;
  readonly shared: string;
  readonly cache: string;
  readonly backups: string;
  readonly failed: string;
  readonly tmp: string;
}

export interface HomeLayout {
  readonly home: string;
  readonly config: string;
  /** `agent.yaml`: the file of a device that is no hub. */
  readonly deviceConfig: string;
  readonly logs: string;
  readonly runtimes: string;
  readonly releases: string;
  readonly keeper: {
    readonly dir: string;
    readonly start: string;
    readonly lock: string;
    readonly keep: string;
    readonly exits: string;
    readonly current: string;
    readonly lastGood: string;
    readonly starts: string;
    readonly log: string;
    /** Runs a command as the hub's user, where that is another than Fettle's own. */
    readonly asHub: string;
  };
  readonly hub: {
    /** Whom it runs as, where that is another user than Fettle's own. */
    readonly user: string | undefined;
    readonly dir: string;
    readonly lock: string;
    readonly db: string;
    /** Mirrors of git repositories. */
    readonly git: string;
    /** Which keys took over from those of the file. */
    readonly rotations: string;
    readonly key: string;
    readonly port: string;
    /** The port that devices were told, where the file names none. */
    readonly openPort: string;
    /** Signed policies that are carried to devices. */
    readonly policies: string;
  };
  readonly agent: {
    readonly dir: string;
    readonly lock: string;
    /** The lock of `fettle rescue`: one at a time. */
    readonly rescue: string;
    readonly journal: string;
    readonly orders: string;
    /** This device's own audit log. */
    readonly audit: string;
    /** Orders that are given on the device itself. */
    readonly local: string;
    /** What is known of apps that end unasked. */
    readonly crashes: string;
    readonly key: string;
    readonly peers: string;
    readonly npmCache: string;
    readonly seen: string;
    /** Which keys took over from those of the file. */
    readonly rotations: string;
    /** Mirrors of git repositories. */
    readonly git: string;
    /** Of an agent without a keeper: what it goes back to unless it proves itself. */
    readonly proving: string;
  };
  app(name: string): AppFolder;
  /** Log of a kept app. */
  appLog(name: string): string;
  /** Output of an app's last build. No app's own log has that name. */
  buildLog(name: string): string;
  /** Sockets: short paths, because long ones fail (108 bytes), in a folder that only this user can enter. */
  readonly runtime: { readonly dir: string; readonly keeperSocket: string; readonly hubSocket: string };
}

/** What `fettle install-service` leaves in a home: who runs it, and where its sockets are for everybody who looks. */
export interface ServiceRecord {
  /** Units, the keeper's first. */
  readonly units: readonly string[];
  /** Of the user's manager, not of the system's. */
  readonly user: boolean;
  /** Where sockets live: a service has another environment than a terminal. */
  readonly runtime: string;
  /** A hub that runs as a user of its own, and where its socket lives. */
  readonly hub?: HubPlace | undefined;
}

export interface HubPlace {
  readonly user: string;
  readonly runtime: string;
}

/** The record of a home that a service runs; `undefined` where none does. */
export function readServiceRecord(home: string): ServiceRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(serviceRecord(home), 'utf8')) as Partial<ServiceRecord>;
    const { units, user, runtime, hub } = record;
    if (!Array.isArray(units) || typeof units[0] !== 'string' || typeof runtime !== 'string') return undefined;
    const apart = typeof hub?.user === 'string' && typeof hub.runtime === 'string';
    return { units, user: user === true, runtime, ...(apart ? { hub: { user: hub.user, runtime: hub.runtime } } : {}) };
  } catch {
    return undefined;
  }
}

export function serviceRecord(home: string): string {
  return join(home, 'keeper', 'service.json');
}

/**
 * The layout of a home.
 * @param runtimeFolder where sockets may live, unless a service of this home has them elsewhere
 */
export function homeLayout(homeFolder: string, runtimeFolder: string): HomeLayout {
  const home = realPath(resolve(homeFolder));
  const record = readServiceRecord(home);
  return layoutWith(home, record?.runtime ?? runtimeFolder, record?.hub);
}

/** {@link homeLayout} with the sockets there, whatever the home says. */
export function layoutWith(home: string, runtimeFolder: string, hub?: HubPlace): HomeLayout {
  const at = (...parts: string[]) => join(home, ...parts);
  const name = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const runtime = join(runtimeFolder, name);
  return {
    home,
    config: at('fettle.yaml'),
    deviceConfig: at('agent.yaml'),
    logs: at('logs'),
    runtimes: at('runtimes'),
    releases: at('releases'),
    keeper: {
      dir: at('keeper'),
      start: at('keeper', 'start'),
      lock: at('keeper', 'lock'),
      keep: at('keeper', 'keep.json'),
      exits: at('keeper', 'exits'),
      current: at('keeper', 'current'),
      lastGood: at('keeper', 'last-good'),
      starts: at('keeper', 'starts'),
      log: at('logs', 'keeper.log'),
      asHub: at('keeper', 'as-hub'),
    },
    hub: {
      user: hub?.user,
      dir: at('hub'),
      lock: at('hub', 'lock'),
      db: at('hub', 'hub.db'),
      git: at('hub', 'git'),
      rotations: at('hub', 'rotations.json'),
      key: at('hub', 'key'),
      port: at('hub', 'port'),
      openPort: at('hub', 'open-port'),
      policies: at('hub', 'policies'),
    },
    agent: {
      dir: at('agent'),
      lock: at('agent', 'lock'),
      rescue: at('agent', 'rescue-lock'),
      journal: at('agent', 'journal'),
      orders: at('agent', 'orders'),
      audit: at('agent', 'audit.log'),
      local: at('agent', 'local'),
      crashes: at('agent', 'crashes.json'),
      key: at('agent', 'key'),
      peers: at('agent', 'hub.pub'),
      npmCache: at('agent', 'npm-cache'),
      seen: at('agent', 'seen.json'),
      rotations: at('agent', 'rotations.json'),
      git: at('agent', 'git'),
      proving: at('agent', 'proving.json'),
    },
    app: (name) => {
      const dir = at('apps', name);
      return {
        dir,
        current: join(dir, 'current'),
        lastGood: join(dir, 'last-good'),
        releases: join(dir, 'releases'),
        shared: join(dir, 'shared'),
        cache: join(dir, 'cache'),
        backups: join(dir, 'backups'),
        failed: join(dir, 'failed'),
        tmp: join(dir, 'tmp'),
      };
    },
    appLog: (name) => at('logs', `${name}.log`),
    buildLog: (name) => at('logs', `${name}.build.log`),
    runtime: {
      dir: runtime,
      keeperSocket: join(runtime, 'keeper.sock'),
      // In a folder of its user's: what is beside it is not the hub's.
      hubSocket: join(hub === undefined ? runtime : join(hub.runtime, name), 'hub.sock'),
    },
  };
}

/** With all links resolved, also of a folder that is not there yet: it must be the same path before and after it is made. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
