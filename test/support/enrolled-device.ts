import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ended } from './home.ts';

/** A device that joined by the line of a hub, in a home of its own; maybe behind a command such as `ip netns exec`. */
export interface EnrolledDevice {
  readonly home: string;
  /** Pastes a line, as a person does on the device; who is root needs no sudo. */
  paste(line: string): Promise<Ended>;
  fettle(...args: string[]): Promise<Ended>;
  /** Processes of this device: command lines by id. */
  processes(): ReadonlyMap<number, string>;
  close(): Promise<void>;
}

/** @param within a command that what is typed runs within */
export function enrolledDevice(file: string, within: readonly string[] = []): EnrolledDevice {
  const home = mkdtempSync(join(tmpdir(), 'fettle-device-'));
  const runtime = mkdtempSync(join(tmpdir(), 'fettle-device-rt-'));
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'agent.yaml'), file);
  // No Fettle and no Node.js is in a new device's path.
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home,
    FETTLE_HOME: home,
    XDG_RUNTIME_DIR: runtime,
    LANG: 'en_US.UTF-8',
    NO_COLOR: '1',
  };
  const run = (argv: readonly string[], timeoutMs = 180_000): Promise<Ended> =>
    new Promise((resolve) => {
      const [program = '', ...args] = [...within, ...argv];
      execFile(program, args, { env, timeout: timeoutMs, maxBuffer: 4e6 }, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, out, err }),
      ).stdin?.end();
    });
  const made: EnrolledDevice = {
    home,
    paste: (line) => run(['sh', '-c', line.replace('| sudo sh', '| sh')]),
    fettle: (...args) => run([join(home, 'bin/fettle'), ...args]),
    processes: () =>
      new Map(
        readdirSync('/proc')
          .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
          .flatMap((pid): [number, string][] => {
            try {
              const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
              return command.includes(home) ? [[Number(pid), command]] : [];
            } catch {
              return [];
            }
          }),
      ),
    async close() {
      if (existsSync(join(home, 'bin/fettle'))) await made.fettle('down');
      for (const pid of made.processes().keys()) process.kill(pid, 'SIGKILL');
      for (const folder of [home, runtime]) rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

/** The line in what `/device enroll` answered. */
export function lineIn(text: string): string {
  return /^\s*(curl .*)$/m.exec(text)?.[1] ?? '';
}
