import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { askStatus } from '../adapters/terminal/index.ts';
import { configureApp, freePort } from './app.ts';
import { command, makeHome } from './fettle.ts';
import { type Benchmark, median, ratioFigure, spread } from './figure.ts';
import { quiet } from './quiet.ts';

const ROUNDS = 11;

/** From spawning the hub until it answers on its socket, against the shortest program that there is. */
export const start: Benchmark = {
  name: 'start',
  about: 'start of the hub until it answers, against `node -e 0`',
  async run(tools) {
    const home = makeHome(tools);
    for (const folder of [home.layout.hub.dir, home.layout.agent.dir]) mkdirSync(folder);
    configureApp(home.layout.home, await freePort(), '1.0.0');
    const [program, args] = command(home, 'hub', '--home', home.layout.home);
    let running: ChildProcess | undefined;
    tools.cleanup(() => running?.kill('SIGKILL'));
    const hub = async (): Promise<number> => {
      const began = performance.now();
      const child = spawn(program, args, { env: home.env, stdio: 'ignore' });
      running = child;
      for (;;) {
        if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}`);
        const status = await askStatus(home.layout.runtime.hubSocket, 5_000).catch(() => undefined);
        // A socket that a hub before left behind refuses.
        if (status?.pid === child.pid) break;
        if (performance.now() - began > 30_000) throw new Error('the hub does not answer');
        await delay(1);
      }
      const took = performance.now() - began;
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
      return took;
    };
    const nothing = async (): Promise<number> => {
      const began = performance.now();
      const child = spawn(program, ['-e', '0'], { env: home.env, stdio: 'ignore' });
      await new Promise((resolve) => child.once('exit', resolve));
      return performance.now() - began;
    };
    const first = await hub();
    await nothing();
    const measured = { hub: [] as number[], nothing: [] as number[] };
    for (let round = 1; round <= ROUNDS; round += 1) {
      tools.progress(`round ${round} of ${ROUNDS}`);
      await quiet();
      measured.nothing.push(await nothing());
      measured.hub.push(await hub());
    }
    const note = `middle half ${spread(measured.hub)}; the first of all, with a new store: ${first.toFixed(0)}`;
    const floor = median(measured.nothing);
    return [ratioFigure('start', { value: median(measured.hub), floor, unit: 'ms', bar: null, note })];
  },
};
