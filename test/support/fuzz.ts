import { parseArgs } from 'node:util';
import { fuzzHub } from './fuzz-hub.ts';
import { fuzzLink } from './fuzz-link.ts';

/**
 * `npm run fuzz -- --seed 7 --count 100000 --only hub`: generated protocol messages against a real gateway with engine
 * and store, and against an agent's real link. Prints what became of it; 1 where something crashed or memory grew.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string', default: '100000' },
    only: { type: 'string' },
  },
});
/** Memory at the end may be so many times that of a process that has worked for a while. */
const FACTOR = 1.5;
const mega = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MB`;

let failed = false;
for (const [name, fuzz] of Object.entries({ hub: fuzzHub, link: fuzzLink })) {
  if (values.only !== undefined && values.only !== name) continue;
  console.log(`${name}: seed ${values.seed}, ${values.count} messages`);
  const { messages, unhandled, before, after, seconds, closes } = await fuzz(Number(values.seed), Number(values.count));
  const factor = after / before;
  if (unhandled.length > 0 || factor > FACTOR) failed = true;
  const memory = `memory ${mega(before)} → ${mega(after)} (× ${factor.toFixed(2)}, at most × ${FACTOR})`;
  console.log(`${name}: ${messages} messages in ${seconds.toFixed(0)} s, ${unhandled.length} unhandled, ${memory}`);
  console.log(`  ${JSON.stringify(closes)}`);
  for (const line of unhandled.slice(0, 5)) console.log(line);
}
process.exit(failed ? 1 : 0);
