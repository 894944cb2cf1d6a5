import { spawn } from 'node:child_process';
import { copyFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fettle, startFettle, temporaryFolder } from './fettle.ts';
import { type Benchmark, ratioFigure, type Tools } from './figure.ts';
import { pss, tree } from './process-tree.ts';

const BAR = 2.2;
const SAMPLE_EVERY_MS = 4_000;
const SETTLED = 0.01;
const DEADLINE_MS = 120_000;
const MB = 1e6;

/**
 * Memory of everything that Fettle adds to a machine (keeper, agent, hub, and the shells above them and above the app)
 * when nothing is going on, against three Nodes that do nothing. All are alive at the same time, as pages that they
 * share are counted in parts.
 */
export const memory: Benchmark = {
  name: 'memory',
  about: 'memory (PSS) of keeper, agent and hub, idle, with one app, against three bare node processes',
  async run(tools) {
    // A Node of this run's own: other programs' share of a common one would change both sides by what runs elsewhere.
    const own = join(temporaryFolder(tools, 'node'), 'node');
    copyFileSync(process.execPath, own);
    const fettle = await startFettle(tools, ['1.0.0'], own);
    const node = realpathSync(join(fettle.layout.app('agent').current, '.fettle', 'node'));
    const bare = [1, 2, 3].map(() => spawnBare(node, fettle, tools));
    const { keeper, hub, agent, shells } = await rolesOf(fettle);
    const samples: { ours: number; floor: number; note: string }[] = [];
    const end = performance.now() + DEADLINE_MS;
    for (;;) {
      await delay(SAMPLE_EVERY_MS);
      const parts = { keeper: sum([keeper]), agent: sum(agent), hub: sum(hub), shells: sum(shells) };
      const ours = parts.keeper + parts.agent + parts.hub + parts.shells;
      const note = Object.entries(parts).map(([name, bytes]) => `${name} ${(bytes / MB).toFixed(1)}`);
      samples.push({ ours, floor: sum(bare), note: note.join(', ') });
      tools.progress(`${(ours / MB).toFixed(1)} MB (${note.join(', ')}); bare ${(sum(bare) / MB).toFixed(1)} MB`);
      const last = samples.slice(-3);
      if (last.length === 3 && settled(last.map((s) => s.ours)) && settled(last.map((s) => s.floor))) break;
      if (performance.now() > end) throw new Error(`memory was not steady within ${DEADLINE_MS / 1_000} s`);
    }
    const { ours, floor, note } = samples.at(-1) ?? { ours: Number.NaN, floor: Number.NaN, note: '' };
    return [ratioFigure('memory', { value: ours / MB, floor: floor / MB, unit: 'MB', bar: BAR, note })];
  },
};

function spawnBare(node: string, fettle: Fettle, tools: Tools): number {
  const child = spawn(node, ['-e', 'setInterval(() => {}, 1e9)'], { env: fettle.env, stdio: 'ignore' });
  tools.cleanup(() => child.kill('SIGKILL'));
  if (child.pid === undefined) throw new Error(`${node} can't be started`);
  return child.pid;
}

/** Who is who below the start script. The app itself is not ours, the shell above it is. */
async function rolesOf(fettle: Fettle): Promise<{ keeper: number; hub: number[]; agent: number[]; shells: number[] }> {
  const shells = [fettle.root];
  const roles: Record<string, number[]> = {};
  for (const [name, { running }] of Object.entries(await fettle.apps())) {
    if (!running) throw new Error(`${name} does not run`);
    const [shell, ...below] = tree(running.pid);
    if (shell === undefined || below.length === 0) throw new Error(`${name} does not run`);
    shells.push(shell);
    roles[name] = below;
  }
  const { hub = [], agent = [], app = [] } = roles;
  const known = new Set([...shells, fettle.keeper, ...hub, ...agent, ...app]);
  const unknown = tree(fettle.root).filter((pid) => !known.has(pid));
  if (unknown.length > 0) throw new Error(`not idle: ${unknown.join(', ')} run too`);
  return { keeper: fettle.keeper, hub, agent, shells };
}

const sum = (pids: readonly number[]) => pids.reduce((bytes, pid) => bytes + pss(pid), 0);

function settled(values: readonly number[]): boolean {
  return Math.max(...values) <= Math.min(...values) * (1 + SETTLED);
}
