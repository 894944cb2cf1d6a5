import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ChildResult, runChild, type Spawn } from '../../src/origin/child.ts';

/** Asking systemd, by its own command line: it finds the bus of the system or of the user, and its messages are known. */

/** A unit: of the system, or of the user that Fettle runs as. */
export interface UnitName {
  readonly unit: string;
  readonly user: boolean;
}

/** How a unit is, in systemd's own words (org.freedesktop.systemd1). What is not known is empty, or 0. */
export interface UnitState {
  readonly id: string;
  /** `loaded`, `not-found`, `masked`, `bad-setting`, `error`. */
  readonly load: string;
  readonly loadError: string;
  /** `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`. */
  readonly active: string;
  readonly sub: string;
  /** 0: none. */
  readonly mainPid: number;
  /** New with each start. */
  readonly invocation: string;
  readonly restarts: number;
  readonly result: string;
  /** How the main process ended: 128 + signal where one ended it; null where none has ended yet. */
  readonly exit: number | null;
  readonly controlGroup: string;
  /** False: a condition of the unit kept the last start from happening. */
  readonly condition: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

/** What systemd did not do, in its own words. */
export class SystemdRefusal extends Error {
  override readonly name = 'SystemdRefusal';
  /** It did not answer in time: nobody knows whether it does it. */
  readonly late: boolean;
  constructor(message: string, late = false) {
    super(message);
    this.late = late;
  }
}

export interface Systemctl {
  /** @throws {SystemdRefusal} */
  show(name: UnitName, more?: readonly string[]): Promise<UnitState>;
  /**
   * Runs `systemctl ARGS` of the system or the user.
   * @throws {SystemdRefusal} with the last line that it printed
   */
  run(name: Pick<UnitName, 'user'>, args: readonly string[], deadlineMs?: number): Promise<string>;
  /** Can another user of this machine enter a folder? `undefined` where that can't be found out. */
  mayEnter(user: string, folder: string): Promise<boolean | undefined>;
  /** The newest lines of a unit's journal; empty where it can't be read. */
  journal(name: UnitName, lines: number): Promise<string>;
  /** Has one start of a unit (its invocation) a text in its journal? False where that can't be read. */
  printed(name: Pick<UnitName, 'user'>, invocation: string, text: string): Promise<boolean>;
}

export interface SystemctlDeps {
  /** As {@link systemctlEnvironment} has it. */
  readonly env: Readonly<Record<string, string>>;
  readonly spawn?: Spawn | undefined;
}

/** systemd answers within milliseconds; one that takes longer hangs. */
const ASK_MS = 10_000;
const MAX_OUTPUT = 256_000;

const PROPERTIES = [
  ...['Id', 'LoadState', 'LoadError', 'ActiveState', 'SubState', 'MainPID', 'InvocationID', 'NRestarts', 'Result'],
  ...['ExecMainStatus', 'ExecMainCode', 'ControlGroup', 'ConditionResult'],
];

export function createSystemctl(deps: SystemctlDeps): Systemctl {
  const { env } = deps;
  const call = async (command: string, args: readonly string[], deadlineMs: number): Promise<ChildResult> => {
    try {
      const signal = new AbortController().signal;
      return await runChild({
        ...{ command, args, cwd: '/', env, signal, deadlineMs, maxOutput: MAX_OUTPUT },
        spawn: deps.spawn,
      });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new SystemdRefusal(code === 'ENOENT' ? `there is no ${command} on this device` : `${command}: ${code}`);
    }
  };

  const systemctl: Systemctl = {
    async run({ user }, args, deadlineMs = ASK_MS) {
      const all = [user ? '--user' : '--system', '--no-ask-password', ...args];
      const { code, stdout, stderr, stopped } = await call('systemctl', all, deadlineMs);
      if (stopped) throw new SystemdRefusal(`systemd did not answer within ${Math.round(deadlineMs / 1_000)} s`, true);
      if (code !== 0) throw new SystemdRefusal(lastLine(stderr) || `systemctl ended with status ${code ?? 'unknown'}`);
      return stdout;
    },
    async show(name, more = []) {
      const wanted = [...PROPERTIES, ...more].flatMap((property) => ['-p', property]);
      return readUnit(await systemctl.run(name, ['show', ...wanted, '--', name.unit]));
    },
    async mayEnter(name, folder) {
      if (process.geteuid?.() !== 0) return undefined;
      try {
        const { code, stderr } = await call('runuser', ['-u', name, '--', 'test', '-x', folder], ASK_MS);
        return code === 0 ? true : code === 1 && stderr === '' ? false : undefined;
      } catch {
        return undefined;
      }
    },
    async journal({ unit, user }, lines) {
      const which = user ? ['--user', '--user-unit', unit] : ['--unit', unit];
      const args = [...which, '--no-pager', '--quiet', '--output=cat', '--lines', String(lines)];
      try {
        return (await call('journalctl', args, ASK_MS)).stdout.trimEnd();
      } catch {
        return '';
      }
    },
    async printed({ user }, invocation, text) {
      const needle = Buffer.from(text);
      const found = new AbortController();
      let rest = Buffer.alloc(0);
      const onOutput = (chunk: Buffer) => {
        const seen = Buffer.concat([rest, chunk]);
        // Who has found it needs no more of a journal that may be long.
        if (seen.includes(needle)) found.abort();
        rest = seen.subarray(Math.max(0, seen.length - needle.length + 1));
      };
      const which = [...(user ? ['--user'] : []), `_SYSTEMD_INVOCATION_ID=${invocation}`];
      const args = [...which, '--no-pager', '--quiet', '--output=cat'];
      try {
        await runChild({
          ...{ command: 'journalctl', args, cwd: '/', env, signal: found.signal, deadlineMs: ASK_MS },
          ...{ maxOutput: MAX_OUTPUT, onOutput, spawn: deps.spawn },
        });
      } catch {
        return false;
      }
      return found.signal.aborted;
    },
  };
  return systemctl;
}

/** What `systemctl show` printed. Values hold no line breaks but where systemd repeats the property. */
export function readUnit(text: string): UnitState {
  const properties: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at <= 0) continue;
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    properties[name] = properties[name] ? `${properties[name]}\n${value}` : value;
  }
  const is = (name: string) => properties[name] ?? '';
  // 0: it has not ended · 1: exited · 2, 3: by a signal (siginfo's CLD_*).
  const how = Number(is('ExecMainCode'));
  const status = Number(is('ExecMainStatus'));
  return {
    id: is('Id'),
    load: is('LoadState'),
    loadError: is('LoadError'),
    active: is('ActiveState'),
    sub: is('SubState'),
    mainPid: Number(is('MainPID')) || 0,
    invocation: is('InvocationID'),
    restarts: Number(is('NRestarts')) || 0,
    result: is('Result'),
    exit: how === 0 ? null : how === 1 ? status : 128 + status,
    controlGroup: is('ControlGroup'),
    condition: is('ConditionResult') !== 'no',
    properties,
  };
}

/** Does it run, or is it on its way up? */
export function isUp({ active }: UnitState): boolean {
  return active === 'active' || active === 'reloading' || active === 'activating';
}

/** What systemd's commands are run with: plain English, and the user's own manager where there is one. */
export function systemctlEnvironment(basic: Readonly<Record<string, string>>): Record<string, string> {
  return { ...basic, ...userRuntime(basic), LC_ALL: 'C', SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' };
}

/** The user's manager lives in the user's runtime folder, whatever other folder Fettle's sockets are in. */
function userRuntime(env: Readonly<Record<string, string>>): Record<string, string> {
  const given = env.XDG_RUNTIME_DIR;
  if (given !== undefined && existsSync(join(given, 'systemd'))) return {};
  const standard = `/run/user/${process.getuid?.() ?? 0}`;
  return existsSync(join(standard, 'systemd')) ? { XDG_RUNTIME_DIR: standard } : {};
}

function lastLine(text: string): string {
  const lines = text.trim().split('\n');
  // "See ... for details" says nothing to people in a chat.
  return (lines.findLast((line) => !/^(See |Hint:|For more details)/.test(line)) ?? '').slice(0, 300);
}
