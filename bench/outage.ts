import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../test/support/until.ts';
import { freePort, program } from './app.ts';
import { openChat } from './chat.ts';
import { startFettle } from './fettle.ts';
import { type Benchmark, median, ratioFigure, show, spread } from './figure.ts';
import { startHelper } from './helper.ts';
import type { ByHand } from './helpers/by-hand.ts';
import type { Watch, Watched } from './helpers/prober.ts';
import { quiet } from './quiet.ts';

const ROUNDS = 15;
const BAR = 1.15;

/**
 * How long nothing answers while a kept app is updated, seen from outside, against stopping and starting the same
 * program by hand. Rounds of the two alternate, so that both see the same machine.
 */
export const outage: Benchmark = {
  name: 'outage',
  about: "outage of a kept app's update, against the app's own stop and start by hand",
  async run(tools) {
    const versions: [string, ...string[]] = ['1.0.0'];
    for (let round = 1; round <= ROUNDS; round += 1) versions.push(`1.0.${round}`);
    const fettle = await startFettle(tools, versions);
    const prober = await startHelper<Watch, Watched>(tools, 'prober.ts');
    const hand = await startHelper<ByHand, 'started'>(tools, 'by-hand.ts');
    const chat = await openChat(tools, fettle);
    const handPort = await freePort();
    const folder = join(fettle.layout.home, 'by-hand');
    mkdirSync(folder);
    writeFileSync(join(folder, 'server.mjs'), program('1.0.0'));
    const { PATH = '', HOME = '' } = fettle.env;
    await hand.ask({
      start: {
        // The very file that Fettle runs apps with.
        node: realpathSync(join(fettle.layout.app('agent').current, '.fettle', 'node')),
        script: 'server.mjs',
        cwd: folder,
        log: join(folder, 'log'),
        env: { PATH, HOME, PORT: String(handPort) },
      },
    });
    await until('the app that is started by hand', () => answers(handPort));

    let noisy = 0;
    /** The longest time without a good answer while something is done. */
    const watch = async (port: number, work: () => Promise<unknown>): Promise<number> => {
      if (!(await quiet())) noisy += 1;
      await prober.ask({ port });
      await delay(300);
      await work();
      await until('good answers again', () => answers(port));
      await delay(300);
      const { probes, good, bad, longestGapMs } = await prober.ask({ port: null });
      if (bad === 0 || good === 0) throw new Error(`the prober saw no outage (${good} of ${probes} were good)`);
      return longestGapMs;
    };
    const measured = { update: [] as number[], hand: [] as number[] };
    for (let round = 1; round <= ROUNDS; round += 1) {
      const rounds = [
        async () => measured.hand.push(await watch(handPort, () => hand.ask({ restart: true }))),
        async () => measured.update.push(await watch(fettle.port, () => chat.say(`/update now app@1.0.${round}`))),
      ];
      for (const one of round % 2 === 0 ? rounds : rounds.reverse()) await one();
      const last = { update: measured.update.at(-1) ?? 0, hand: measured.hand.at(-1) ?? 0 };
      tools.progress(`round ${round} of ${ROUNDS}: update ${show(last.update)} ms, by hand ${show(last.hand)} ms`);
    }
    const note = `middle half: update ${spread(measured.update)}, by hand ${spread(measured.hand)}; ${ROUNDS} rounds${noisy > 0 ? `; ${noisy} of ${2 * ROUNDS} while others kept the machine busy` : ''}`;
    const floor = median(measured.hand);
    return [ratioFigure('outage', { value: median(measured.update), floor, unit: 'ms', bar: BAR, note })];
  },
};

async function answers(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/version`, { headers: { connection: 'close' } });
  await response.arrayBuffer();
  return response.ok;
}
