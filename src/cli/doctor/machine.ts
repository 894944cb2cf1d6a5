import { lstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import { satisfies } from 'semver';
import { VERSION } from '../version.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

/** What npm 12 needs, where its own file can't be asked. */
const NPM_NEEDS = '^22.22.2 || ^24.15.0 || >=26.0.0';
/** `sun_path` of unix(7), without the NUL. */
const SOCKET_PATH = 107;
/** Fettle was not there before. */
const FIRST_YEAR = 2025;

/** The machine: Node, the clock, the folder for sockets. */
export const machine: Check = {
  title: 'This machine',
  limitMs: 5_000,
  *look(facts) {
    yield ok(`Fettle ${VERSION} on Node ${process.versions.node}, ${process.platform}-${process.arch}`);
    if (process.platform !== 'linux')
      yield wrong('The keeper reads /proc: only Linux is supported for keeping apps.', 'Use Linux.');
    const needed = npmNeeds();
    if (!satisfies(process.versions.node, needed)) {
      yield wrong(
        `npm packages can't be installed by Node ${process.versions.node}: npm needs ${needed}.`,
        'Start Fettle with `npm start`, which brings a Node of its own, or install a newer Node.',
      );
    }
    const now = new Date(facts.clock.now());
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const year = now.getUTCFullYear();
    yield year < FIRST_YEAR || year > FIRST_YEAR + 75
      ? wrong(
          `The clock says ${now.toISOString()}: certificates and feeds will count as invalid.`,
          'Set the clock (`timedatectl set-ntp true`).',
        )
      : ok(`The clock says ${now.toISOString()}, time zone ${zone}`);
    yield* sockets(facts);
  },
};

function* sockets({ layout: { runtime } }: Facts): Generator<Finding> {
  const longest = Math.max(runtime.keeperSocket.length, runtime.hubSocket.length);
  if (longest > SOCKET_PATH) {
    yield wrong(
      `The sockets' path is too long (${longest} of ${SOCKET_PATH} bytes): ${runtime.dir}`,
      'Set XDG_RUNTIME_DIR to a shorter folder of yours, and start Fettle again.',
    );
    return;
  }
  const stat = lstatSync(runtime.dir, { throwIfNoEntry: false });
  if (!stat) {
    yield note(`There are no sockets yet: ${runtime.dir}`);
  } else if (!stat.isDirectory() || stat.uid !== process.geteuid?.()) {
    yield wrong(
      `${runtime.dir} is not a folder of this user's`,
      `Remove it, or set XDG_RUNTIME_DIR to a folder of yours.`,
    );
  } else if ((stat.mode & 0o077) !== 0) {
    yield wrong(`Others can enter ${runtime.dir}, and so give orders`, `chmod 700 ${runtime.dir}`);
  } else {
    yield ok(`Sockets are in ${runtime.dir}`);
  }
}

function npmNeeds(): string {
  try {
    const { engines } = createRequire(import.meta.url)('npm/package.json') as { engines?: { node?: string } };
    return engines?.node ?? NPM_NEEDS;
  } catch {
    return NPM_NEEDS;
  }
}
