import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runsFrom } from '../../agent/keeper/processes.ts';
import { findReceiver, receiving, saidReady } from '../../agent/restart/notify.ts';
import { until } from '../support/until.ts';

let folder: string;
let runtime: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-notify-'));
  runtime = mkdtempSync(join(tmpdir(), 'fettle-rt-'));
  children = [];
});
afterEach(() => {
  for (const { pid } of children) if (pid !== undefined) endGroup(pid);
  for (const dir of [folder, runtime]) rmSync(dir, { recursive: true, force: true });
});

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Pids of a process group. */
const groupOf = (group: number) =>
  readdirSync('/proc').flatMap((name) => {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1')
        .replace(/^.*\) /, '')
        .split(' ');
      return Number(fields[2]) === group && fields[0] !== 'Z' ? [Number(name)] : [];
    } catch {
      return [];
    }
  });

describe.each(['perl', 'python3'] as const)('%s as the receiver', (name) => {
  const receiver = findReceiver(process.env.PATH, [name]);
  const start = (script: string, startId: string) => {
    const paths = { socket: join(runtime, 'n'), ready: join(runtime, 'n.ready') };
    const app = join(folder, 'slot-app');
    writeFileSync(app, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const [program = '', ...args] = receiving(receiver ?? { program: '', args: [] }, paths, [app, 'one two']);
    const child = spawn(program, args, {
      cwd: folder,
      detached: true,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, FETTLE_START: startId, OUT: join(folder, 'out') },
    });
    children.push(child);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { child, paths, ended };
  };

  test('becomes the app, hears it, and ends with it', async () => {
    const { child, paths, ended } = start(
      'echo "$$ $1" >"$OUT"; systemd-notify --status=starting --no-block; while [ ! -e go ]; do sleep 0.05; done; systemd-notify --ready --no-block; while [ -e go ]; do sleep 0.05; done; exit 7',
      's-1',
    );
    const out = await until(
      'the app to run',
      () => existsSync(join(folder, 'out')) && readFileSync(join(folder, 'out'), 'utf8'),
    );
    expect(out).toBe(`${child.pid} one two\n`);
    expect(saidReady(paths, 's-1')).toBe(false);
    // What listens beside the app must not pass for it.
    const beside = () => groupOf(child.pid ?? 0).filter((pid) => pid !== child.pid && !runsFrom([pid], folder));
    await until('one that listens, and is not of the app', () => beside().length === 1);
    writeFileSync(join(folder, 'go'), '');
    await until('READY=1', () => saidReady(paths, 's-1'));
    expect(saidReady(paths, 's-2')).toBe(false);
    rmSync(join(folder, 'go'));
    expect(await ended).toBe(7);
    await until('the receiver to end', () => groupOf(child.pid ?? 0).length === 0);
    // The next start has said nothing yet.
    const next = start('sleep 60', 's-2');
    await until('the socket', () => existsSync(next.paths.socket));
    await until('the old word to be gone', () => !existsSync(next.paths.ready));
  });
});
