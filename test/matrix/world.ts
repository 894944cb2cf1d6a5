import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish } from '../../src/cli/publish.ts';
import { writeArchive } from '../support/artifact.ts';
import { freePort } from '../support/free-port.ts';
import type { Home } from '../support/home.ts';
import type { Registry } from '../support/registry.ts';
import { program, RELEASES } from './app.ts';

export const ACQUIRES = ['archive', 'package', 'git', 'binary'] as const;
export type Acquire = (typeof ACQUIRES)[number];
export const DRIVERS = ['kept', 'systemd', 'command', 'signal'] as const;
export type Driver = (typeof DRIVERS)[number];

/** One app of the device: a way to get releases, and a way to start them. */
export interface Cell {
  readonly app: string;
  readonly acquire: Acquire;
  readonly driver: Driver;
  readonly port: number;
  /** Where its data is. */
  readonly data: string;
}

/** How long an app must stay well, and when the one that crashes late does. Milliseconds. */
export interface Pace {
  readonly forMs: number;
  readonly lateMs: number;
  readonly hangMs: number;
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const PACKAGE = 'matrix-app';

/** Publishes every release in every form and writes the device's file. */
export async function prepare(
  home: Home,
  registry: Registry,
  wanted: { readonly acquires: readonly Acquire[]; readonly drivers: readonly Driver[]; readonly pace: Pace },
): Promise<readonly Cell[]> {
  const root = home.layout.home;
  const { acquires, drivers, pace } = wanted;
  const code = new Map(
    RELEASES.map(({ version, behaviour }) => [version, program(process.execPath, version, behaviour, pace.lateMs)]),
  );
  if (acquires.includes('package')) {
    for (const [version, text] of code) {
      registry.publish({ name: PACKAGE, version, bin: { [PACKAGE]: 'app.cjs' }, files: { 'app.cjs': text } });
    }
  }
  if (acquires.includes('git')) makeRepository(join(root, 'origin.git'), join(root, 'work'), code);
  const cells: Cell[] = [];
  const lines = ['updates: {atOnce: 4}', 'apps:'];
  for (const acquire of acquires) {
    for (const driver of drivers) {
      const app = `${acquire}-${driver}`;
      const port = await freePort();
      const folder = join(root, 'bin', app);
      mkdirSync(folder, { recursive: true });
      const data = acquire === 'binary' ? join(folder, 'data') : join(home.layout.app(app).shared, 'data');
      cells.push({ app, acquire, driver, port, data });
      await publishFor(app, acquire, join(root, 'published', app), join(root, 'work'), code);
      lines.push(...configuration({ home, cell: { app, acquire, driver, port, data }, folder, pace }));
    }
  }
  writeFileSync(home.layout.config, `${lines.join('\n')}\n`);
  if (drivers.includes('systemd')) execFileSync('systemctl', ['daemon-reload']);
  return cells;
}

async function publishFor(
  app: string,
  acquire: Acquire,
  folder: string,
  work: string,
  code: ReadonlyMap<string, string>,
): Promise<void> {
  if (acquire === 'git' || acquire === 'package') return;
  mkdirSync(work, { recursive: true });
  for (const [version, text] of code) {
    const path = join(work, acquire === 'archive' ? `${app}-${version}.tar.gz` : `${app}-${version}`);
    if (acquire === 'archive') await writeArchive(path, [{ name: 'app.cjs', content: text, mode: 0o755 }]);
    else writeFileSync(path, text, { mode: 0o755 });
    await publish({ folder, app, version, files: [{ platform: 'any', path }], clock });
  }
}

/** A real repository: a commit and a tag for each release. */
function makeRepository(bare: string, work: string, code: ReadonlyMap<string, string>): void {
  const tree = join(work, 'tree');
  mkdirSync(tree, { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=matrix', '-c', 'user.email=matrix@localhost', ...args], {
      cwd: tree,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  git('init', '-q', '-b', 'main');
  for (const [version, text] of code) {
    writeFileSync(join(tree, 'app.cjs'), text, { mode: 0o755 });
    git('add', '-A');
    git('commit', '-q', '-m', `Release ${version}`);
    git('tag', `v${version}`);
  }
  execFileSync('git', ['clone', '-q', '--bare', tree, bare]);
}

function configuration(of: { home: Home; cell: Cell; folder: string; pace: Pace }): string[] {
  const { home, cell, folder, pace } = of;
  const { app, acquire, driver, port } = cell;
  const root = home.layout.home;
  const sources: Record<Acquire, string> = {
    archive: `folder published/${app}`,
    binary: `folder published/${app}`,
    package: `npm ${PACKAGE}`,
    git: `git ${join(root, 'origin.git')} v*`,
  };
  const inSlot = acquire === 'package' ? `node_modules/${PACKAGE}/app.cjs` : 'app.cjs';
  const current = home.layout.app(app).current;
  const path = acquire === 'binary' ? join(folder, app) : join(current, inSlot);
  const where = acquire === 'binary' ? folder : current;
  const env = { PORT: String(port), PROGRAM: path, WHERE: where };
  const started = acquire === 'binary' ? [path] : [process.execPath, path];
  const lines = [
    `  ${app}:`,
    `    source: ${sources[acquire]}`,
    '    keep: [data]',
    `    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, every: 100ms, checks: 2, for: ${pace.forMs}ms, timeout: 2s}`,
    '    stop: {grace: 2s}',
    `    deadlines: {probing: ${pace.forMs + pace.hangMs}ms}`,
  ];
  if (acquire === 'binary') lines.push(`    binary: ${path}`);
  if (driver === 'kept' || driver === 'signal') {
    // One that replaces itself is started by its path, which names the new release after a switch.
    const program = driver === 'signal' ? `{slot}/${inSlot}` : inSlot;
    if (acquire !== 'binary') lines.push(`    run: node ${program}`);
    lines.push(`    env: ${JSON.stringify(env)}`);
    lines.push(`    restart: ${driver === 'kept' ? 'kept' : 'signal SIGUSR2'}`);
  }
  if (driver === 'command') {
    const control = join(folder, 'control');
    writeFileSync(control, controlScript(started, env, join(folder, 'pid'), home.layout.appLog(app)));
    chmodSync(control, 0o755);
    lines.push(`    restart: command ${control}`);
  }
  if (driver === 'systemd') {
    writeFileSync(join('/etc/systemd/system', `${app}.service`), unit(started, env));
    lines.push(`    restart: systemd ${app}`);
  }
  return lines;
}

/** What an init script is: it starts the app in the background, ends it, and says whether it runs. */
function controlScript(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  pidFile: string,
  log: string,
): string {
  const exports = Object.entries(env).map(([key, value]) => `export ${key}='${value}'`);
  return `#!/bin/sh
${exports.join('\n')}
case "$1" in
  start) setsid ${argv.join(' ')} </dev/null >>'${log}' 2>&1 & echo $! >'${pidFile}' ;;
  stop) [ ! -e '${pidFile}' ] || kill "$(cat '${pidFile}')" 2>/dev/null || true ;;
  status) grep -q '^State:.[^Z]' "/proc/$(cat '${pidFile}')/status" 2>/dev/null ;;
esac
`;
}

function unit(argv: readonly string[], env: Readonly<Record<string, string>>): string {
  return `[Unit]
Description=${argv.at(-1) ?? ''}
[Service]
${Object.entries(env)
  .map(([key, value]) => `Environment=${key}=${value}`)
  .join('\n')}
ExecStart=${argv.join(' ')}
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
`;
}
