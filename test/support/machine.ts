import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { until } from './until.ts';

/**
 * A machine with a systemd of its own: this machine's files below, what it writes above (in memory, or in a folder), a
 * network that is only loopback. It boots in a second or two, and its power can be cut.
 *
 * Everything that is mounted for it is in a mount namespace of one process, which dies with the test: nothing is left
 * behind, however the test ends.
 */

const ROOT = join(import.meta.dirname, '../..');
const NEEDED = ['systemd-nspawn', 'systemctl', 'nsenter', 'unshare', 'setpriv', 'mount'];

export interface Ran {
  /** 128 + signal where one ended it; -1 where it took too long. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface MachineOptions {
  /** A folder for what it writes, such as one that outlives the machine; memory unless given. */
  readonly disk?: string;
  /** Folders of this machine that it sees, read only, at the same place. This checkout is always among them. */
  readonly bind?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Machine {
  /** Its files as seen from here, also while it is off. Not its /tmp, /run, /proc. */
  path(path: string): string;
  write(path: string, content: string, mode?: number): void;
  read(path: string): string;
  /** Runs a command inside, as root; never throws for how it ends. */
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a line of shell inside and answers its output. @throws where its status is not 0 */
  sh(line: string, options?: RunOptions): Promise<string>;
  /** Cuts the power: everything inside is gone at once, what was written stays. */
  cutPower(): Promise<void>;
  boot(): Promise<void>;
  /** What its console said. */
  console(): string;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Why no machine can be booted here; `undefined`: one can. Asked of the system, by booting nothing. */
export function whyNoMachine(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has systemd';
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = NEEDED.filter((program) => !isInPath(program));
  if (missing.length > 0) return `needs ${missing.join(', ')}: apt-get install systemd-container systemd-sysv dbus`;
  const probe = mkdtempSync(join(tmpdir(), 'fettle-machine-'));
  try {
    execFileSync('unshare', ['-m', '--propagation', 'private', 'sh', '-ec', `${overlay(probe)}`], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const reason = String((error as { stderr?: Buffer }).stderr ?? error)
      .trim()
      .split('\n')
      .at(-1);
    return `this machine may not mount what is needed (${reason})`;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

/** Boots one. Who may not be able to asks {@link whyNoMachine} first. */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-machine-'));
  const { disk } = options;
  const holder = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'unshare',
      '-m',
      '--propagation',
      'private',
      'sh',
      '-ec',
      `${overlay(folder, disk)}
echo ready; exec sleep infinity`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve());
    holder.once('exit', (code) => reject(new Error(`the machine's disk could not be made: status ${code}`)));
  });
  const path = (inside: string) => join(`/proc/${holder.pid}/root`, folder, 'root', inside);
  quieten(path);

  let nspawn: ChildProcess | undefined;
  let leader = 0;
  let said = '';

  async function boot(): Promise<void> {
    if (leader !== 0) throw new Error('the machine is on');
    const binds = [ROOT, dirname(process.execPath), ...(options.bind ?? [])];
    nspawn = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nsenter', '-t', String(holder.pid), '-m', '--'],
        ...['systemd-nspawn', '-q', '-D', join(folder, 'root'), '--register=no', '--keep-unit', '--private-network'],
        ...['--link-journal=no', '--resolv-conf=off', '--timezone=off'],
        ...[...new Set(binds)].map((bind) => `--bind-ro=${bind}`),
        '-b',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, SYSTEMD_COLORS: '0' } },
    );
    for (const stream of [nspawn.stdout, nspawn.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-20_000);
      });
    }
    const born = nspawn;
    leader = await until('the machine to begin', () => {
      if (born.exitCode !== null) throw new Error(said);
      // Its first child makes the machine and ends; its own pid 1 comes after.
      return childrenOf(born.pid ?? 0).find(isInit);
    });
    await until(
      'the machine to boot',
      async () => {
        if (born.exitCode !== null) throw new Error(said);
        const { out } = await run(['systemctl', 'is-system-running', '--wait'], { timeoutMs: 30_000 });
        return /running|degraded/.test(out);
      },
      60_000,
    );
  }

  function run(argv: readonly string[], { timeoutMs = 60_000, env = {}, input }: RunOptions = {}): Promise<Ran> {
    const all = {
      PATH: [dirname(process.execPath), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'].join(delimiter),
      HOME: '/root',
      LANG: 'en_US.UTF-8',
      NO_COLOR: '1',
      ...options.env,
      ...env,
    };
    const variables = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    const enter = ['-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', '--wdns=/', '--'];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nsenter', ...enter, 'env', '-i', ...variables, ...argv], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdin.on('error', () => undefined).end(input ?? '');
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    return new Promise((resolve) => {
      let late = false;
      const settle = (code: number | null) => {
        clearTimeout(timer);
        resolve({ code: late ? -1 : (code ?? 137), out, err });
      };
      const timer = setTimeout(() => {
        late = true;
        killGroup(child.pid);
        child.stdout.destroy();
        child.stderr.destroy();
      }, timeoutMs);
      child.once('error', (error) => {
        err += String(error);
        settle(-1);
      });
      child.once('close', settle);
    });
  }

  async function cutPower(): Promise<void> {
    const dying = nspawn;
    if (leader !== 0 && childrenOf(dying?.pid ?? 0).includes(leader)) process.kill(leader, 'SIGKILL');
    leader = 0;
    if (!dying) return;
    nspawn = undefined;
    const gone = () => dying.exitCode !== null || dying.signalCode !== null;
    await until('the machine to be off', gone, 5_000).catch(() => dying.kill('SIGKILL'));
    await until('the machine to be off', gone, 10_000);
  }

  const machine: Machine = {
    path,
    write: (inside, content, mode = 0o644) => {
      mkdirSync(dirname(path(inside)), { recursive: true });
      writeFileSync(path(inside), content, { mode });
    },
    read: (inside) => readFileSync(path(inside), 'utf8'),
    run,
    async sh(line, how) {
      const { code, out, err } = await run(['sh', '-c', line], how);
      if (code !== 0) throw new Error(`${line}: status ${code}\n${out}${err}`);
      return out.trimEnd();
    },
    cutPower,
    boot,
    console: () => said,
    async close() {
      await cutPower();
      holder.kill('SIGKILL');
      await until('its disk to be gone', () => holder.exitCode !== null || holder.signalCode !== null);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await boot();
  } catch (error) {
    await machine.close();
    throw error;
  }
  return machine;
}

/** Shell that makes its root: this machine's below. */
function overlay(folder: string, disk?: string): string {
  const above = disk ?? join(folder, 'above');
  return [
    `mkdir -p '${join(folder, 'root')}' '${above}'`,
    disk === undefined ? `mount -t tmpfs -o mode=755 tmpfs '${above}'` : ':',
    `mkdir -p '${above}/upper' '${above}/work'`,
    `mount -t overlay -o 'lowerdir=/,upperdir=${above}/upper,workdir=${above}/work' overlay '${folder}/root'`,
  ].join('\n');
}

/** What this machine starts at boot is not the test's: a database, cron, and whoever else. */
function quieten(path: (inside: string) => string): void {
  const own = path('/etc/systemd/system');
  for (const name of namesIn(own)) if (/\.(wants|requires)$/.test(name)) rmSync(join(own, name), { recursive: true });
  for (const folder of ['/usr/lib/systemd/system-generators', '/etc/systemd/system-generators']) {
    for (const name of namesIn(path(folder)))
      if (!name.startsWith('systemd-')) rmSync(join(path(folder), name), { force: true });
  }
  rmSync(path('/etc/machine-id'), { force: true });
  writeFileSync(path('/etc/machine-id'), '');
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function isInit(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd';
  } catch {
    return false;
  }
}

function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
