import { join } from 'node:path';
import type { TestEntry } from './artifact.ts';

/** What the test's device may be updated to. */

/** Releases of the test's agent: this checkout's, passing for another version. */
export const AGENT_RELEASES: Readonly<Record<string, 'good' | 'crashes'>> = {
  '2.0.0': 'good',
  '2.1.0': 'good',
  '2.2.0': 'crashes',
};

/** How a release of the test's app behaves. Each is ill where its data says `poison`, and writes a file then. */
export type Behaviour = 'good' | 'crashes' | 'ill' | 'lies' | 'late-crash' | 'migrates-and-ill';

export const RELEASES: Readonly<Record<string, Behaviour>> = {
  '1.0.0': 'good',
  '1.1.0': 'good',
  '1.2.0': 'migrates-and-ill',
  '1.3.0': 'crashes',
  '1.4.0': 'lies',
  '1.5.0': 'late-crash',
};

/** What `npm pack` would make of an agent that is this checkout's, but for its version. */
export function agentPackage(version: string, behaviour: 'good' | 'crashes'): readonly TestEntry[] {
  const entry = join(import.meta.dirname, 'agent-entry.ts');
  const main = `const { default: process } = await import('node:process');
if (${behaviour === 'crashes'} && !process.argv.includes('--rehearse')) process.exit(9);
process.argv.push('--version', '${version}');
await import(${JSON.stringify(entry)});
`;
  const manifest = { name: 'fettle', version, bin: { fettle: 'main.mjs' } };
  return [
    { name: 'package/package.json', content: JSON.stringify(manifest) },
    { name: 'package/main.mjs', content: main, mode: 0o755 },
  ];
}

/** The source of an app that answers with its version. */
export function program(version: string, behaviour: Behaviour): string {
  return `import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
console.log('app ${version} starts with token', process.env.API_TOKEN);
${behaviour === 'migrates-and-ill' ? `writeFileSync('data/store.json', '{"format":2}\\n'); writeFileSync('data/new-file', 'x');` : ''}
${behaviour === 'crashes' ? `console.error('cannot start'); process.exit(3);` : ''}
${behaviour === 'late-crash' ? `setTimeout(() => process.exit(4), 200);` : ''}
const poisoned = existsSync('data/store.json') && readFileSync('data/store.json', 'utf8').includes('poison');
if (poisoned) writeFileSync('data/written-by-ill', 'x');
createServer((request, response) => {
  response.writeHead(${behaviour === 'ill' || behaviour === 'migrates-and-ill' ? 500 : 'poisoned ? 500 : 200'});
  response.end(JSON.stringify({ version: '${behaviour === 'lies' ? '1.0.0' : version}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;
}
