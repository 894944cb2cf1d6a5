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
import { othersDuring, quiet } from './quiet.ts';

/** Undisturbed rounds that are wanted; with fewer than the fewest, disturbed ones count too. */
const ROUNDS = 11;
const FEWEST = 5;
const MOST_ROUNDS = 33;
/** Of a core: a round in which others used more says nothing. */
const OTHERS = 0.15;
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
    for (let round = 1; round <= MOST_ROUNDS; round += 1) versions.push(`1.0.${round}`);
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

    /** The longest time without a good answer while something is done. `calm`: nobody else was at work meanwhile. */
    const watch = async (port: number, work: () => Promise<unknown>): Promise<Seen> => {
      await quiet();
      await prober.ask({ port });
      const others = await othersDuring([process.pid, fettle.root], async () => {
        await delay(300);
        await work();
        await until('good answers again', () => answers(port));
        await delay(300);
      });
      const { probes, good, bad, longestGapMs } = await prober.ask({ port: null });
      if (bad === 0 || good === 0) throw new Error(`the prober saw no outage (${good} of ${probes} were good)`);
      return { ms: longestGapMs, calm: others <= OTHERS };
    };
    const rounds: { readonly update: Seen; readonly hand: Seen }[] = [];
    const isCalm = ({ update, hand }: (typeof rounds)[number]) => update.calm && hand.calm;
    for (let round = 1; round <= MOST_ROUNDS && rounds.filter(isCalm).length < ROUNDS; round += 1) {
      const byHand = () => watch(handPort, () => hand.ask({ restart: true }));
      const byUpdate = () => watch(fettle.port, () => chat.say(`/update now app@1.0.${round}`));
      let seen: { update: Seen; hand: Seen };
      if (round % 2 === 0) seen = { hand: await byHand(), update: await byUpdate() };
      else seen = { update: await byUpdate(), hand: await byHand() };
      rounds.push(seen);
      const busy = isCalm(seen) ? '' : '; others were at work';
      tools.progress(`round ${round}: update ${show(seen.update.ms)} ms, by hand ${show(seen.hand.ms)} ms${busy}`);
    }
    const calm = rounds.filter(isCalm);
    const counted = calm.length >= FEWEST ? calm : rounds;
    const updates = counted.map((round) => round.update.ms);
    const hands = counted.map((round) => round.hand.ms);
    const note = `middle half: update ${spread(updates)}, by hand ${spread(hands)}; ${counted.length} rounds of ${rounds.length} (${calm.length} undisturbed)`;
    const floor = median(hands);
    return [ratioFigure('outage', { value: median(updates), floor, unit: 'ms', bar: BAR, note })];
  },
};

interface Seen {
  readonly ms: number;
  readonly calm: boolean;
}

async function answers(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/version`, { headers: { connection: 'close' } });
  await response.arrayBuffer();
  return response.ok;
}
