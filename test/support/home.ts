import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HomeLayout, homeLayout } from '../../config/home.ts';

const ROOT = join(import.meta.dirname, '../..');

/** How a command of the shipped bundle ended, and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A home of its own for the shipped command, as a user types it. */
export interface Home {
  readonly layout: HomeLayout;
  readonly env: NodeJS.ProcessEnv;
  /** Runs `fettle ARGS`; input is piped, or nothing where there is none. */
  fettle(args: readonly string[], input?: string, env?: NodeJS.ProcessEnv): Promise<Ended>;
  /** Starts `fettle ARGS` and leaves it running. */
  start(args: readonly string[], env?: NodeJS.ProcessEnv, stdin?: 'pipe' | 'ignore'): ChildProcess;
  /** Processes whose command line or environment names this home. */
  processes(): { readonly pid: number; readonly command: string }[];
  close(): Promise<void>;
}

export function makeHome(): Home {
  const home = mkdtempSync(join(tmpdir(), 'fettle-e2e-'));
  const runtime = mkdtempSync(join(tmpdir(), 'fettle-rt-'));
  const env = {
    ...process.env,
    FETTLE_HOME: home,
    FETTLE_PORT: '0',
    XDG_RUNTIME_DIR: runtime,
    NO_COLOR: '1',
    LANG: 'en_US.UTF-8',
  };
  const layout = homeLayout(home, runtime);
  const children: ChildProcess[] = [];
  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}, stdin: 'pipe' | 'ignore' = 'ignore') => {
    const child = spawn(process.execPath, [join(ROOT, 'dist/main.js'), ...args], {
      env: { ...env, ...more },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    children.push(child);
    return child;
  };
  const made: Home = {
    layout,
    env,
    fettle(args, input, more) {
      const child = start(args, more, input === undefined ? 'ignore' : 'pipe');
      child.stdin?.end(input);
      let out = '';
      let err = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        out += text;
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        err += text;
      });
      return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
    },
    start: (args, more, stdin) => start(args, more, stdin),
    processes: () =>
      readdirSync('/proc')
        .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
        .flatMap((pid) => {
          try {
            const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
            const ours = command.includes(home) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(home);
            return ours ? [{ pid: Number(pid), command }] : [];
          } catch {
            return [];
          }
        }),
    async close() {
      if (existsSync(layout.keeper.dir)) await made.fettle(['down']);
      for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      for (const { pid } of made.processes()) process.kill(pid, 'SIGKILL');
      for (const folder of [home, runtime]) rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

/** Is the real npm registry there? Tests that need it say so when it is not. */
export async function registryAnswers(): Promise<boolean> {
  const { execa } = await import('execa');
  const result = await execa(
    process.execPath,
    [join(ROOT, 'node_modules/npm/bin/npm-cli.js'), 'view', 'sirv-cli', 'version'],
    {
      reject: false,
      timeout: 30_000,
    },
  );
  return result.exitCode === 0;
}
