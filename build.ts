/**
 * Bundles `src/main.ts` into `dist/`: one entry, one chunk a subcommand, so that the keeper and the agent load only
 * what they need. `--if-stale` does nothing where no source is newer than the bundle.
 */
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const ROOT = import.meta.dirname;
const OUT = join(ROOT, 'dist');
const ENTRY = join(OUT, 'main.js');
const SOURCES = ['src', 'adapters', 'agent', 'config', 'build.ts', 'package.json', 'package-lock.json'];

function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const stale = !existsSync(ENTRY) || SOURCES.some((source) => newest(join(ROOT, source)) > statSync(ENTRY).mtimeMs);
if (stale || !process.argv.includes('--if-stale')) {
  rmSync(OUT, { recursive: true, force: true });
  const bundle = await rolldown({
    cwd: ROOT,
    input: { main: 'src/main.ts' },
    platform: 'node',
    // Native code and the npm command line cannot be bundled; they are the two runtime dependencies.
    external: ['better-sqlite3', /^npm(\/|$)/],
    logLevel: 'warn',
  });
  await bundle.write({
    dir: OUT,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunk-[name]-[hash].js',
    sourcemap: false,
    minify: false,
  });
  await bundle.close();
  chmodSync(ENTRY, 0o755);
}
