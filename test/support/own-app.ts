/**
 * An app of one's own taken over, updated, rolled back and given back, with the shipped commands: a git checkout, a
 * server that npm installed, an executable. `node test/support/own-app.ts` prints what it took.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../../src/cli/init/move.ts';
import { freePort } from './free-port.ts';
import { type Home, makeHome } from './home.ts';
import { until } from './until.ts';

export interface OwnApp {
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  /** Lines of configuration that are no comments. */
  readonly lines: number;
  /** Wall time from `fettle init` to the end of the first `/update now`. */
  readonly minutes: number;
  /** What `/update now` and `/update rollback` answered. */
  readonly answers: readonly string[];
  /** Everything that is the same after `--undo` as before `init`. */
  readonly same: boolean;
}

interface Case {
  readonly kind: string;
  /** Makes the app; what `fettle init` is given beside `--yes`. */
  prepare(
    root: string,
  ): Promise<{ readonly target: string; readonly flags: readonly string[]; readonly folder: string }>;
  /** A new release, unless there is one. */
  release?(root: string): void;
  /** Is it served, and by which version? */
  serves(root: string): Promise<string>;
  /** Something that the app must not lose; written while it runs. */
  readonly data: string;
  /** What an update changes at the path itself. */
  readonly changes?: string;
}

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=me', '-c', 'user.email=me@example.org', ...args], { cwd, stdio: 'pipe' });
const npm = (cwd: string, ...args: string[]) =>
  execFileSync(
    process.execPath,
    [
      join(import.meta.dirname, '../../node_modules/npm/bin/npm-cli.js'),
      ...args,
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ],
    { cwd, stdio: 'pipe' },
  );

const program = (version: string) => `import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
createServer((request, response) => {
  response.end('${version} ' + readFileSync('.env', 'utf8').trim() + ' ' + readFileSync('data/visits.txt', 'utf8').length);
}).listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));
`;

async function get(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2_000) })).text();
}

/** A checkout with data and .env, pushed to an origin, started by hand. */
async function checkoutCase(): Promise<Case> {
  const port = await freePort();
  return {
    kind: 'git checkout',
    data: 'data/visits.txt',
    async prepare(root) {
      const folder = join(root, 'mybot');
      execFileSync('git', ['init', '-q', '--bare', '-b', 'main', join(root, 'origin.git')]);
      execFileSync('git', ['clone', '-q', join(root, 'origin.git'), folder], { stdio: 'pipe' });
      writeFileSync(
        join(folder, 'package.json'),
        '{"name":"mybot","type":"module","scripts":{"start":"node bot.mjs"}}\n',
      );
      writeFileSync(join(folder, 'bot.mjs'), program('one'));
      writeFileSync(join(folder, '.gitignore'), 'data/\n.env\n');
      git(folder, 'checkout', '-q', '-B', 'main');
      git(folder, 'add', '-A');
      git(folder, 'commit', '-q', '-m', 'The first', '--date', '2026-01-01T00:00:00Z');
      git(folder, 'push', '-q', 'origin', 'main');
      mkdirSync(join(folder, 'data'));
      writeFileSync(join(folder, 'data/visits.txt'), 'x');
      writeFileSync(join(folder, '.env'), 'TOKEN=mine\n');
      const child = spawn(process.execPath, ['bot.mjs'], {
        cwd: folder,
        env: { PATH: process.env.PATH, PORT: String(port) },
        stdio: 'ignore',
        detached: true,
      });
      child.unref();
      await until('the app to run by hand', async () => (await get(port)).startsWith('one'));
      return { target: folder, flags: ['--stop-pid', String(child.pid)], folder };
    },
    release(root) {
      const work = join(root, 'elsewhere');
      execFileSync('git', ['clone', '-q', join(root, 'origin.git'), work], { stdio: 'pipe' });
      writeFileSync(join(work, 'bot.mjs'), program('two'));
      git(work, 'commit', '-q', '-am', 'The second');
      git(work, 'push', '-q', 'origin', 'main');
    },
    async serves() {
      const text = await get(port);
      if (!text.includes('TOKEN=mine')) throw new Error(`.env is lost: ${text}`);
      return text.split(' ')[0] ?? '';
    },
  };
}

/** `npm install sirv-cli`, and a folder that it serves. */
async function packageCase(): Promise<Case> {
  const port = await freePort();
  return {
    kind: 'npm package',
    data: 'public/index.html',
    async prepare(root) {
      const folder = join(root, 'site');
      mkdirSync(join(folder, 'public'), { recursive: true });
      writeFileSync(join(folder, 'public/index.html'), 'hello');
      npm(folder, 'install', 'sirv-cli@2.0.2');
      const run = `sirv public --host 127.0.0.1 --port ${port} --quiet --dev`;
      return { target: folder, flags: ['--run', run, '--port', String(port)], folder };
    },
    async serves() {
      if (!(await get(port)).startsWith('hello')) throw new Error('the page is lost');
      return 'served';
    },
  };
}

/** A real program, one file, that serves a folder: the versions of esbuild that npm ships for this machine. */
async function binaryCase(): Promise<Case> {
  const port = await freePort();
  const name = `@esbuild/linux-${process.arch}`;
  return {
    kind: 'executable',
    data: 'data/index.html',
    changes: 'robot',
    async prepare(root) {
      const folder = join(root, 'opt');
      const fetched = join(root, 'fetched');
      mkdirSync(join(folder, 'data'), { recursive: true });
      mkdirSync(fetched);
      writeFileSync(join(folder, 'data/index.html'), 'hello');
      npm(fetched, 'install', `${name}@0.24.0`);
      execFileSync('cp', [join(fetched, 'node_modules', name, 'bin/esbuild'), join(folder, 'robot')]);
      rmSync(fetched, { recursive: true, force: true });
      const run = `${join(folder, 'robot')} --serve=127.0.0.1:${port} --servedir=${join(folder, 'data')} --watch=forever`;
      const flags = [
        '--run',
        run,
        '--port',
        String(port),
        '--source',
        `npm ${name}`,
        '--file',
        'bin/esbuild',
        '--keep',
        'data',
      ];
      return { target: join(folder, 'robot'), flags, folder };
    },
    async serves(root) {
      if (!(await get(port)).startsWith('hello')) throw new Error('the page is lost');
      return execFileSync(join(root, 'opt/robot'), ['--version'], { encoding: 'utf8' }).trim();
    },
  };
}

async function show(of: Case, home: Home, root: string): Promise<OwnApp> {
  const { target, flags, folder } = await of.prepare(root);
  const before = await digestOf(folder);
  const data = join(folder, of.data);
  const original = readFileSync(data, 'utf8');
  const fettle = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await home.fettle(args);
    if (code !== 0) throw new Error(`fettle ${args.join(' ')} ended with ${code}:\n${out}${err}`);
    return out;
  };
  const started = performance.now();
  const report = JSON.parse(await fettle('init', target, ...flags, '--yes', '--json')) as {
    app: string;
    lines: number;
    version: string;
  };
  const { app } = report;
  await fettle('up', '--detach');
  await until(`${app} to serve`, () => of.serves(root), 30_000);
  const first = await of.serves(root);
  of.release?.(root);
  const updated = await fettle('say', `/update now ${app}`);
  const minutes = (performance.now() - started) / 60_000;
  const second = await of.serves(root);
  const to = /back online, (\S+?),/.exec(updated)?.[1] ?? '';
  appendFileSync(data, 'more');
  const back = await fettle('say', `/update rollback ${app}`);
  const third = await of.serves(root);
  const changed = first !== 'served' && (first === second || first !== third);
  if (changed) throw new Error(`served ${first}, then ${second}, then ${third}`);
  await fettle('init', '--undo', app, '--yes');
  await fettle('down');
  const kept = !lstatSync(data).isSymbolicLink() && readFileSync(data, 'utf8') === `${original}more`;
  writeFileSync(data, original);
  const same = kept && (await digestOf(folder)) === before && !existsSync(home.layout.config);
  return { kind: of.kind, from: report.version, to, lines: report.lines, minutes, answers: [updated, back], same };
}

/** One kind after the other, each in a home of its own. */
export async function ownApp(kind: 'checkout' | 'package' | 'binary'): Promise<OwnApp> {
  const of = await { checkout: checkoutCase, package: packageCase, binary: binaryCase }[kind]();
  const root = mkdtempSync(join(tmpdir(), 'fettle-own-'));
  const home = makeHome();
  try {
    return await show(of, home, root);
  } finally {
    await home.close();
    rmSync(root, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(
    'an app of your own        from → to                                     lines  minutes  layout and data after --undo',
  );
  for (const kind of ['checkout', 'package', 'binary'] as const) {
    const { kind: name, from, to, lines, minutes, same } = await ownApp(kind);
    console.log(
      `${name.padEnd(24)}  ${`${from} → ${to}`.padEnd(44)}  ${String(lines).padStart(5)}  ${minutes.toFixed(2).padStart(7)}  ${same ? 'as before' : 'DIFFERENT'}`,
    );
  }
}
