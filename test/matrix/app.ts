/** The app of every cell: a small real server that keeps data, in the versions that a cell is updated to. */

/** What a release of it does. */
export type Behaviour = 'good' | 'crashes at start' | 'never healthy' | 'wrong version' | 'hangs' | 'crashes late';

/** Version by version, in the order in which a cell goes through them. */
export const RELEASES: readonly { readonly version: string; readonly behaviour: Behaviour }[] = [
  { version: '1.0.0', behaviour: 'good' },
  { version: '1.1.0', behaviour: 'good' },
  { version: '1.2.0', behaviour: 'crashes at start' },
  { version: '1.3.0', behaviour: 'never healthy' },
  { version: '1.4.0', behaviour: 'wrong version' },
  { version: '1.5.0', behaviour: 'hangs' },
  { version: '1.6.0', behaviour: 'crashes late' },
];

/**
 * A script of Node's that is an executable too. It counts its starts in `data/store.json`, in a format of its own version,
 * so that data which a failed version wrote is seen. Told by SIGUSR2, it becomes what its path holds now.
 *
 * @param node absolute path
 * @param lateMs after so many milliseconds of good answers, `crashes late` ends
 */
export function program(node: string, version: string, behaviour: Behaviour, lateMs: number): string {
  const says = behaviour === 'wrong version' ? '1.0.0' : version;
  return `#!${node}
const { createServer } = require('node:http');
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { dirname } = require('node:path');
process.on('SIGUSR2', () => process.execve(process.execPath, [process.execPath, process.env.PROGRAM], process.env));
process.on('SIGTERM', () => process.exit(0));
process.chdir(process.env.WHERE || dirname(process.env.PROGRAM || __filename));
mkdirSync('data', { recursive: true });
let starts = 0;
try { starts = JSON.parse(readFileSync('data/store.json', 'utf8')).starts; } catch {}
writeFileSync('data/store.json', JSON.stringify({ format: '${version}', starts: starts + 1 }));
console.log('${version} starts');
if (${behaviour === 'crashes at start'}) { console.error('cannot start'); process.exit(3); }
if (${behaviour === 'hangs'}) setInterval(() => {}, 1000);
else createServer((request, response) => {
  response.writeHead(${behaviour === 'never healthy' ? 500 : 200}, { connection: 'close' });
  response.end(JSON.stringify({ version: '${says}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
if (${behaviour === 'crashes late'}) setTimeout(() => process.exit(4), ${lateMs});
`;
}
