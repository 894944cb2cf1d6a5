import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/**
 * Releases of Fettle itself: what `npm pack` makes of this build under a later version. A fault is code that runs
 * before everything else in the program; a migration is text that is put beside the others.
 */

const ROOT = join(import.meta.dirname, '../..');

export interface FettleRelease {
  readonly version: string;
  /** Code of a module. `role` and `rehearsing` are declared before it. */
  readonly fault?: string;
  /** The body of the `up` of a migration that comes after all others: `db` is Kysely's. */
  readonly migration?: string;
}

/** Packs a release and answers the path of its `.tgz`, in `folder`. */
export async function packFettle(folder: string, release: FettleRelease): Promise<string> {
  const stage = mkdtempSync(join(tmpdir(), 'fettle-pack-'));
  try {
    cpSync(join(ROOT, 'dist'), join(stage, 'dist'), { recursive: true });
    const { scripts: _scripts, ...manifest } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    writeFileSync(join(stage, 'package.json'), JSON.stringify({ ...manifest, version: release.version }));
    for (const name of ['npm', 'better-sqlite3', 'node-addon-api']) {
      const from = join(ROOT, 'node_modules', name);
      // What is only for building or reading would make each pack take three times as long.
      const skipped = ['deps', 'src', 'build', 'docs', 'man'].map((one) => join(from, one));
      cpSync(from, join(stage, 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !skipped.includes(path) && !/(darwin|win32|musl)[^/]*\.node$/.test(path),
      });
    }
    if (release.migration !== undefined) addMigration(join(stage, 'dist'), release.migration);
    if (release.fault !== undefined) addFault(join(stage, 'dist'), release.fault);
    mkdirSync(folder, { recursive: true });
    const npm = join(ROOT, 'node_modules/npm/bin/npm-cli.js');
    await execa(process.execPath, [npm, 'pack', '--ignore-scripts', '--pack-destination', folder], {
      cwd: stage,
      env: { npm_config_update_notifier: 'false' },
    });
    return join(folder, `fettle-${release.version}.tgz`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function addFault(dist: string, fault: string): void {
  renameSync(join(dist, 'main.js'), join(dist, 'real-main.js'));
  writeFileSync(
    join(dist, 'main.js'),
    `#!/usr/bin/env node
const role = process.argv[2];
const rehearsing = process.argv.includes('--rehearse');
${fault}
await import('./real-main.js');
`,
    { mode: 0o755 },
  );
}

function addMigration(dist: string, body: string): void {
  // The list of migrations, as the bundler writes it.
  const last = /"(\d{4}-[a-z-]+)":\s*[\w$]+\s*\}/;
  const file = readdirSync(dist).find((name) => last.test(readFileSync(join(dist, name), 'utf8')));
  if (!file) throw new Error('the bundle has no list of migrations');
  const text = readFileSync(join(dist, file), 'utf8');
  const more = `,"9999-later": { up: async (db) => { const rehearsing = process.argv.includes('--rehearse'); ${body} } }}`;
  writeFileSync(
    join(dist, file),
    text.replace(last, (found) => found.replace(/\s*\}$/, more)),
  );
}
