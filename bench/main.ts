/**
 * `npm run bench`: Fettle's performance, each figure against a floor that is measured in the same run, because absolute
 * times depend on the machine.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { chats } from './chats.ts';
import { download } from './download.ts';
import { ROOT } from './fettle.ts';
import { type Benchmark, type Figure, show, type Tools } from './figure.ts';
import { memory } from './memory.ts';
import { outage } from './outage.ts';
import { reply } from './reply.ts';
import { start } from './start.ts';
import { upstream } from './upstream.ts';

const BENCHMARKS: readonly Benchmark[] = [memory, start, outage, download, reply, chats, upstream];

const HELP = `usage: npm run bench -- [--only NAME]... [--json]

Measures Fettle against floors measured in the same run. Exits 1 when a bar is missed, 2 when something could not
be measured. Takes about seven minutes, more on a busy machine; progress goes to standard error.

  --only NAME   this one alone; may be given several times
  --json        one line of JSON a figure instead of the table
  --help

${BENCHMARKS.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}`;

/** What is to be undone, last first. */
const undo: (() => unknown)[] = [];

async function cleanUp(): Promise<void> {
  for (let work = undo.pop(); work; work = undo.pop()) {
    try {
      await work();
    } catch (error) {
      console.error(`cleaning up: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 2;
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const unknown = values.only?.find((name) => !BENCHMARKS.some((one) => one.name === name));
  if (unknown !== undefined) {
    console.error(`There is no benchmark ${unknown}. There are: ${BENCHMARKS.map(({ name }) => name).join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(code)));
  }
  const built = spawnSync(process.execPath, ['build.ts', '--if-stale'], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (built.status !== 0) throw new Error('the bundle could not be built');

  const figures: Figure[] = [];
  for (const benchmark of BENCHMARKS) {
    if (values.only && !values.only.includes(benchmark.name)) continue;
    const tools: Tools = {
      progress: (text) => console.error(`${benchmark.name}: ${text}`),
      cleanup: (work) => undo.push(work),
    };
    try {
      for (const figure of await benchmark.run(tools)) {
        figures.push(figure);
        if (values.json) console.log(jsonLine(figure));
      }
    } catch (error) {
      console.error(`${benchmark.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      process.exitCode = 2;
    } finally {
      await cleanUp();
    }
  }
  if (!values.json) console.log(table(figures));
  if (figures.some(({ ok }) => ok === false)) process.exitCode = 1;
}

function jsonLine({ name, value, unit, floor, ratio, bar, ok }: Figure): string {
  const round = (number: number | null) => (number === null ? null : Number(number.toPrecision(6)));
  return JSON.stringify({ name, value: round(value), unit, floor: round(floor), ratio: round(ratio), bar, ok });
}

function table(figures: readonly Figure[]): string {
  const number = (value: number | null) => (value === null ? '' : show(value));
  const rows = figures.map(({ name, value, unit, floor, ratio, bar, ok, note }) => [
    name,
    value === null ? '–' : `${show(value)} ${unit}`,
    floor === null ? '' : `${show(floor)} ${unit}`,
    ratio === null ? '' : `${ratio.toFixed(2)} ×`,
    bar === null ? '' : `≤ ${number(bar)}${ratio === null ? ` ${unit}` : ' ×'}`,
    ok === null ? 'skipped' : bar === null ? 'reported' : ok ? 'met' : 'MISSED',
    note,
  ]);
  const all = [['figure', 'value', 'floor', 'ratio', 'bar', '', ''], ...rows];
  const widths = all[0]?.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length))) ?? [];
  const last = widths.length - 1;
  return all
    .map((row) =>
      row
        .map((cell, i) => (i === last ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

await main();
