import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { until } from '../support/until.ts';

const SUBJECT = pathToFileURL(join(import.meta.dirname, '../../src/cli/idle-memory.ts')).href;

/** A process that does what it is told, a word a line, and says whether V8 runs what it did as native code. */
const PROCESS = `
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { giveBackWhenIdle } from ${JSON.stringify(SUBJECT)};
giveBackWhenIdle(500);
let sum = 0;
const make = (name) => new Function('n', '/* ' + name + ' */ return n * 2 + 1;');
const isNative = (work) => %ActiveTierIsMaglev(work) || %ActiveTierIsTurbofan(work);
const run = (work) => { for (let n = 0; n < 50_000; n += 1) sum += work(n); };
createInterface({ input: process.stdin }).on('line', async (name) => {
  if (name === 'fill') {
    let garbage = Array.from({ length: 200_000 }, (_, n) => ({ n }));
    console.log('full ' + process.memoryUsage().heapTotal);
    return;
  }
  if (name === 'heap') return console.log('heap ' + process.memoryUsage().heapTotal);
  const work = make(name);
  const end = name.startsWith('lasting') ? performance.now() + 40_000 : 0;
  for (let turn = 0; turn < 6 || (performance.now() < end && !isNative(work)); turn += 1) {
    run(work);
    await delay(turn < 6 ? 20 : 1);
  }
  console.log(name + ' ' + (isNative(work) ? 'native' : 'interpreted'));
});
console.log('ready now');
`;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const work of undo.splice(0)) work();
});

it('compiles natively only while work lasts, and gives memory back when it is over', async () => {
  const child = spawn(process.execPath, ['--allow-natives-syntax', '--input-type=module', '-e', PROCESS], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  undo.push(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const answer = async (name: string) => {
    const [, found] = await until(name, () => new RegExp(`^${name} (.+)$`, 'm').exec(said), 50_000);
    said = '';
    return found;
  };
  const ask = (name: string, word = name) => {
    child.stdin.write(`${name}\n`);
    return answer(word);
  };
  await answer('ready');
  expect(await ask('little')).toBe('interpreted');
  expect(await ask('lasting')).toBe('native');

  const full = Number(await ask('fill', 'full'));
  // Between questions it has the time for a look at which it is idle.
  const PAUSE_MS = 1_200;
  await until('memory given back', async () => {
    await delay(PAUSE_MS);
    return Number(await ask('heap')) < full / 2;
  });
  let times = 0;
  await until('rest', async () => {
    times += 1;
    await delay(PAUSE_MS);
    return (await ask(`later${times}`)) === 'interpreted';
  });
});
