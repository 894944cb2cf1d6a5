import { HIDDEN, redactorOf } from '../../src/domain/redact.ts';
import { OFF, OUTLETS, tryOutlet } from './outlets.ts';
import { knownSecrets } from './planted.ts';

/** `npm run redaction [-- --lines 10000]`: lines with secrets through every outlet; a table, and 1 where one was shown. */

const at = process.argv.indexOf('--lines');
const lines = at === -1 ? 10_000 : Number(process.argv[at + 1]);
const on = redactorOf({ secrets: Object.values(knownSecrets()) });

let bad = false;
console.log(
  `${'outlet'.padEnd(62)} ${'lines'.padStart(7)} ${'planted'.padStart(8)} ${'leaks'.padStart(6)}  without ${HIDDEN}`,
);
for (const name of Object.keys(OUTLETS)) {
  const { leaked, planted } = await tryOutlet(name, on, lines);
  const without = await tryOutlet(name, OFF, Math.min(lines, 500));
  console.log(
    `${name.padEnd(62)} ${String(lines).padStart(7)} ${String(planted).padStart(8)} ${String(leaked.length).padStart(6)}  ${without.leaked.length} of ${without.planted}`,
  );
  for (const { kind, line } of leaked.slice(0, 3)) console.log(`  ${kind}: ${JSON.stringify(line).slice(0, 300)}`);
  bad ||= leaked.length > 0 || without.leaked.length === 0;
}
process.exitCode = bad ? 1 : 0;
