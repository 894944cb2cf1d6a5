/**
 * Bundles `src/main.ts` into `dist/`: one entry, one chunk a subcommand, so that the keeper and the agent load only
 * what they need. `--if-stale` does nothing where no source is newer than the bundle.
 */
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';

const ROOT = import.meta.dirname;
const OUT = join(ROOT, 'dist');
const ENTRY = join(OUT, 'main.js');
const SOURCES = ['src', 'adapters', 'agent', 'config', 'build.ts', 'package.json', 'package-lock.json'];

function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/**
 * Built-ins that cost megabytes of every process that imports them: an `import` of `node:http` evaluates each of its
 * exports, and with them all of undici (6 MB); `node:https` and `node:tls` load OpenSSL's tables (3 MB), which `ws`
 * does even where it never dials with TLS. In the bundle they are loaded at the first use of one of these names; another
 * name does not build.
 */
const LAZY: Readonly<Record<string, readonly string[]>> = {
  http: ['createServer', 'get', 'request', 'STATUS_CODES'],
  https: ['createServer', 'get', 'request'],
  tls: ['connect'],
};

const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  resolveId(id, importer) {
    // The chats' libraries and adapters use more of them, and are loaded only where there is such a chat.
    if (importer?.includes('/node_modules/') && !importer.includes('/node_modules/ws/')) return null;
    if (importer && /\/adapters\/(feishu|discord|telegram)\//.test(importer)) return null;
    const name = id.replace(/^node:/, '');
    return name in LAZY ? `\0lazy:${name}` : null;
  },
  load(id) {
    const name = id.startsWith('\0lazy:') ? id.slice('\0lazy:'.length) : '';
    const load = `process.getBuiltinModule('node:${name}')`;
    const names = LAZY[name]?.map((key) =>
      key === key.toUpperCase()
        ? `export const ${key} = ${load}.${key};`
        : `export const ${key} = (...all) => ${load}.${key}(...all);`,
    );
    return names?.join('\n') ?? null;
  },
};

/** grammY is handed a `fetch`; what it would use otherwise warns of its age at each start, and is left out. */
const noNodeFetch: Plugin = {
  name: 'no-node-fetch',
  resolveId: (id) => (id === 'node-fetch' ? '\0node-fetch' : null),
  load: (id) => (id === '\0node-fetch' ? 'export default globalThis.fetch;' : null),
};

/**
 * discord.js is CommonJS, taken whole or not at all: 13 MB of a hub's memory for a cache that nobody reads. What is used
 * of it comes from the package of its own that it takes it from; another name does not build.
 */
const discordLayers: Plugin = {
  name: 'discord-layers',
  resolveId: (id) => (id === 'discord.js' ? '\0discord.js' : null),
  load: (id) =>
    id === '\0discord.js'
      ? `export { DefaultRestOptions, DiscordAPIError, HTTPError, RateLimitError, REST } from '@discordjs/rest';
         export { WebSocketShardDestroyRecovery, WebSocketShardStatus } from '@discordjs/ws';`
      : null,
};

/**
 * The source of what runs stays in memory: two bytes a character from the first that is not Latin-1 on. So there is
 * none, and no more of it than is needed; functions keep their names, for stack traces.
 */
const ascii: Plugin = {
  name: 'ascii',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue;
      chunk.code = chunk.code.replace(
        /(\\*)([^\0-\x7f])/g,
        // A backslash of its own before such a character says nothing, and would take ours away.
        (_, before: string, unit: string) =>
          `${before.slice(before.length % 2)}\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    }
  },
};

const stale = !existsSync(ENTRY) || SOURCES.some((source) => newest(join(ROOT, source)) > statSync(ENTRY).mtimeMs);
if (stale || !process.argv.includes('--if-stale')) {
  rmSync(OUT, { recursive: true, force: true });
  const bundle = await rolldown({
    cwd: ROOT,
    input: { main: 'src/main.ts' },
    platform: 'node',
    // Native code and the npm command line cannot be bundled; they are the two runtime dependencies.
    plugins: [lazyBuiltins, noNodeFetch, discordLayers, ascii],
    external: ['better-sqlite3', /^npm(\/|$)/, 'zlib-sync', 'bufferutil', 'utf-8-validate'],
    // Two of the chats' libraries ask where they lie, to read their own version.
    transform: { define: { __dirname: 'import.meta.dirname' } },
    // discord.js has an `eval` for shards in processes of their own, which are never made.
    onLog(level, entry, report) {
      if (entry.code !== 'EVAL') report(level, entry);
    },
    logLevel: 'warn',
  });
  await bundle.write({
    dir: OUT,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunk-[name]-[hash].js',
    sourcemap: false,
    minify: { compress: true, mangle: { keepNames: true }, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  chmodSync(ENTRY, 0o755);
}
