/**
 * Every way to get a release × every way to start it × every way in which it can turn out, with the shipped bundle, by what
 * a person types. `--drivers a,b`, `--acquires a,b`, `--fast` (a probe period of 2 s instead of 10), `--json`.
 */
import { parseArgs } from 'node:util';
import { makeHome } from '../support/home.ts';
import { bootMachine, whyNoMachine } from '../support/machine.ts';
import { startRegistry } from '../support/registry.ts';
import { type Row, runCell } from './run.ts';
import { ACQUIRES, DRIVERS, prepare } from './world.ts';

const MACHINE_MS = 20 * 60_000;
const AT_ONCE = 4;

const { values } = parseArgs({
  options: {
    drivers: { type: 'string' },
    acquires: { type: 'string' },
    fast: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Units are this machine's own: for the machine that is booted for them. */
    here: { type: 'boolean', default: false },
    /** Keeps the home. */
    keep: { type: 'boolean', default: false },
  },
});
const chosen = <T extends string>(all: readonly T[], text: string | undefined) =>
  text === undefined ? all : all.filter((one) => text.split(',').includes(one));
const pace = values.fast
  ? { forMs: 2_000, lateMs: 1_800, hangMs: 4_000 }
  : { forMs: 10_000, lateMs: 9_000, hangMs: 6_000 };

const drivers = chosen(DRIVERS, values.drivers);
if (drivers.includes('systemd') && !values.here) {
  const why = whyNoMachine();
  if (why) {
    console.error(`apps that are units need a systemd: ${why}. --drivers kept,command,signal leaves them out.`);
    process.exit(2);
  }
  const machine = await bootMachine();
  try {
    const argv = [process.execPath, import.meta.filename, ...process.argv.slice(2), '--here'];
    const { code, out, err } = await machine.run(argv, { timeoutMs: MACHINE_MS });
    process.stderr.write(err);
    process.stdout.write(out);
    process.exitCode = code;
  } finally {
    await machine.close();
  }
  process.exit();
}

const home = makeHome();
const registry = await startRegistry();
const rows: Row[] = [];
try {
  const wanted = { acquires: chosen(ACQUIRES, values.acquires), drivers, pace };
  const cells = await prepare(home, registry, wanted);
  const env = { npm_config_registry: registry.url };
  const up = await home.fettle(['up', '--detach'], undefined, env);
  if (up.code !== 0) throw new Error(`fettle up: ${up.out}${up.err}`);
  let finished = 0;
  // A few side by side: a machine that is out of breath tells more about itself than about Fettle.
  const waiting = [...cells];
  const worker = async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
      const { app } = cell;
      await runCell(home, cell, (row) => {
        rows.push(row);
        finished += 1;
        if (!values.json) console.error(`${finished} ${app}: ${row.scenario}: ${row.ok ? 'ok' : `NOT OK ${row.said}`}`);
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
} finally {
  if (values.keep) console.error(`kept: ${home.layout.home}`);
  else await home.close();
  await registry.close();
}

const order = (row: Row) => ACQUIRES.indexOf(row.acquire) * 10 + DRIVERS.indexOf(row.driver);
const sorted = rows.sort((a, b) => order(a) - order(b));
if (values.json) {
  for (const row of sorted) console.log(JSON.stringify(row));
} else {
  console.log('| acquire | driver | release | ends | code | runs | data | hash | outage | processes | ok |');
  console.log('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const row of sorted) {
    const outage = row.outageMs === undefined ? '—' : `${(row.outageMs / 1_000).toFixed(2)} s`;
    console.log(
      `| ${[row.acquire, row.driver, row.scenario, row.state, row.code, row.runs, row.data, row.dataHash, outage, row.processes, row.ok ? 'yes' : 'NO'].join(' | ')} |`,
    );
  }
  console.log(`\n${rows.length} updates, ${rows.filter((row) => !row.ok).length} not as they should be`);
}
process.exitCode = rows.length > 0 && rows.every((row) => row.ok) ? 0 : 1;
