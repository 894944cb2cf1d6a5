import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { RescueReport } from '../../agent/rescue/contract.ts';
import type { Device } from './device.ts';

/** How `fettle rescue APP --json` ended. */
export interface Rescued {
  readonly code: number | null;
  readonly report: RescueReport;
  readonly text: string;
}

/** Starts `fettle rescue` on a device, as a process of its own. */
export function startRescue(device: Device, args: readonly string[] = ['app', '--json']): ChildProcess {
  return spawn(process.execPath, ['src/main.ts', '--home', device.layout.home, 'rescue', ...args], {
    env: device.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs `fettle rescue` to its end. */
export async function rescue(device: Device, ...more: string[]): Promise<Rescued> {
  return endOf(startRescue(device, ['app', '--json', ...more]));
}

export async function endOf(child: ChildProcess): Promise<Rescued> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const last = text.trim().split('\n').at(-1) ?? '';
  return { code, text, report: (last.startsWith('{') ? JSON.parse(last) : {}) as RescueReport };
}

/** Processes of the app's program, whoever started them: more than one means that it was run twice. */
export function programsOf(device: Device): number[] {
  const { releases } = device.layout.app('app');
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const program = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return program[0]?.endsWith('node') === true && readlinkSync(`/proc/${pid}/cwd`).startsWith(releases);
      } catch {
        return false;
      }
    })
    .map(Number);
}
