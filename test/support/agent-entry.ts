/**
 * The real agent, but for one thing: it kills itself with SIGKILL at a named point of an update.
 * `--kill STATE:entered` right after the state is on disk, before its work; `--kill STATE:worked` when its work is
 * done, before the next state is on disk; `STATE:moved` when a path's data has been moved, before that is on disk. Each point once (`--twice`, `--forever`), however often the agent is
 * started: a file remembers.
 */
import { appendFileSync, existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { rehearseAgent, startAgent } from '../../src/cli/agent.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    home: { type: 'string' },
    kill: { type: 'string', multiple: true },
    /** Points like those of `kill`, at which the disk of the home fills up, once: `STATE:entered=BYTES` leaves so much. */
    fill: { type: 'string', multiple: true },
    twice: { type: 'boolean' },
    forever: { type: 'boolean' },
    rehearse: { type: 'boolean' },
    /** The version that this passes for. */
    version: { type: 'string' },
  },
});
const environment = readEnvironment();
const layout = homeLayout(values.home ?? '', environment.runtimeFolder);

/** To the last byte, but for what is left free; into `rubbish`, which the test removes. */
function fillOnce(point: string): void {
  const given = values.fill?.find((one) => one.startsWith(`${point}=`));
  const rubbish = join(layout.home, 'rubbish');
  if (given === undefined || existsSync(rubbish)) return;
  for (const size of [1_000_000, 4_096, 1]) {
    try {
      for (;;) appendFileSync(rubbish, Buffer.alloc(size, 1));
    } catch {
      // Full, in steps of this size.
    }
  }
  truncateSync(rubbish, Math.max(0, statSync(rubbish).size - Number(given.slice(point.length + 1))));
}

function dieOnce(point: string): void {
  fillOnce(point);
  if (!values.kill?.includes(point)) return;
  const times = values.forever ? Number.POSITIVE_INFINITY : values.twice ? 2 : 1;
  for (let time = 1; time <= times; time += 1) {
    const marker = join(layout.home, `killed-${point.replace(':', '-')}-${time}`);
    if (existsSync(marker)) continue;
    writeFileSync(marker, '');
    process.kill(process.pid, 'SIGKILL');
  }
}

if (values.rehearse) {
  rehearseAgent({ layout, environment, config: undefined }, values.version);
} else {
  await startAgent(
    { layout, environment, config: undefined },
    {
      ...(values.version === undefined ? {} : { version: values.version }),
      crashLookMs: 250,
      watch: (journal) => ({
        ...journal,
        write(entry) {
          const before = journal.get(entry.order.update);
          if (before && before.state !== entry.state) dieOnce(`${before.state}:worked`);
          const paths = entry.restored.length - (before?.restored.length ?? 0);
          if (before?.state === entry.state && paths > 0) dieOnce(`${entry.state}:moved`);
          journal.write(entry);
          if (before?.state !== entry.state || before.resumes !== entry.resumes) dieOnce(`${entry.state}:entered`);
        },
      }),
    },
  );
}
process.exit(0);
