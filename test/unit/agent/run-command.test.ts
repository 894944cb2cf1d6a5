import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCommand } from '../../../agent/restart/run-command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-command-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const spec = (script: string) => ({
  dir: folder,
  argv: ['/bin/sh', '-c', script],
  cwd: folder,
  env: { SAID: 'once' },
  log: join(folder, 'app.log'),
  stopSignal: 'SIGTERM' as const,
  graceMs: 100,
});

test('a command that stays in the foreground is ended whole at its deadline', async () => {
  const script = 'echo began; sleep 60 & echo $! > child; wait';
  expect(await runCommand(spec(script), 300)).toEqual({ code: undefined, output: 'began' });
  const child = readFileSync(join(folder, 'child'), 'utf8').trim();
  const end = performance.now() + 5_000;
  while (isAlive(child)) {
    if (performance.now() > end) throw new Error('its child outlived it');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test('its end is waited for, not that of what holds its output open; its output goes to the log', async () => {
  const began = performance.now();
  const ended = await runCommand(spec('sleep 60 & echo $! > child; echo "$SAID" >&2; exit 4'), 30_000);
  expect(ended).toEqual({ code: 4, output: 'once' });
  expect(performance.now() - began).toBeLessThan(10_000);
  const child = readFileSync(join(folder, 'child'), 'utf8').trim();
  expect(isAlive(child)).toBe(true);
  process.kill(Number(child), 'SIGKILL');
  expect(readFileSync(join(folder, 'app.log'), 'utf8')).toBe('once\n');
});

function isAlive(pid: string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}
