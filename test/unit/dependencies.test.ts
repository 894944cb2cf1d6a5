import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** `package.json` against its reasons in `docs/dependencies.md`, and against what is imported. */

const ROOT = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const { scripts, ...manifest } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
const packages = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
const page = read('docs/dependencies.md').split('\n');

test.each(Object.entries(packages).filter(([name]) => !name.startsWith('@types/')))(
  '%s has a reason, with the version that is asked for',
  (name, version) => {
    const row = page.find((line) => line.startsWith('| ') && line.split('|')[1]?.includes(`\`${name}\``));
    expect(row?.split('|')[2]).toContain(version);
    expect(row?.split('|')[3]?.trim()).toBeTruthy();
  },
);

test('what is there is used, and what is imported is there', () => {
  const sources = globSync(['{src,adapters,agent,config,bench,test}/**/*.ts', '*.ts'], { cwd: ROOT });
  const text = sources.map(read).join('\n');
  const imported = new Set(
    [...text.matchAll(/^(?:import|export) [^;]*?from '([^'.][^']*)'|^import '([^'.][^']*)'|import\('([^'.][^']*)'\)/gm)]
      .map(([, a, b, c]) => a ?? b ?? c ?? '')
      .filter((name) => !name.startsWith('node:'))
      .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')),
  );
  expect(imported.size).toBeGreaterThan(15);
  expect([...imported].filter((name) => !(name in packages))).toEqual([]);
  const run = JSON.stringify(scripts);
  // What runs the rest, or is started as a program of its own.
  const programs: Readonly<Record<string, string>> = { typescript: 'tsc', '@biomejs/biome': 'biome' };
  const unused = Object.keys(packages).filter(
    (name) =>
      !imported.has(name) &&
      !/^@types\/|^node-linux-/.test(name) &&
      !text.includes(`'${name}'`) &&
      !run.includes(programs[name] ?? `${name} `),
  );
  expect(unused).toEqual([]);
});
