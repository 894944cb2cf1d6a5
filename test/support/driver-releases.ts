import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish } from '../../src/cli/publish.ts';
import { writeArchive } from './artifact.ts';
import type { Device } from './device.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** How a release of the drivers' test app differs from one that is well. */
export interface Release {
  /** The start command ends with this status and starts nothing. */
  readonly startFails?: number;
  /** The stop command does nothing, and says that it has. */
  readonly staysOnStop?: boolean;
  /** Answers 500. */
  readonly ill?: boolean;
  /** What the program does on SIGUSR2: becomes the release that `current` names, hands over to a child, or dies. */
  readonly onSignal?: 'exec' | 'child' | 'die' | 'nothing';
  /** Leaves a process behind that carries no mark, in a session of its own, and ignores SIGTERM. */
  readonly leavesBehind?: boolean;
}

/** Writes the device's file and publishes releases of `app`: call it before the agent is started. */
export async function makeDriverApp(
  device: Device,
  releases: Readonly<Record<string, Release>>,
  lines: readonly string[],
): Promise<void> {
  configure(device, lines);
  const { home } = device.layout;
  for (const [version, release] of Object.entries(releases)) {
    const archive = join(home, `driver-${version}.tar.gz`);
    await writeArchive(archive, [
      { name: 'server.mjs', content: server(version, release) },
      { name: 'ctl.mjs', content: control(release) },
      { name: 'left.mjs', content: LEFT },
      { name: 'data/store.json', content: '{"format":1}\n' },
    ]);
    const files = [{ platform: 'any' as const, path: archive }];
    await publish({ folder: join(home, 'releases'), app: 'app', version, files, clock });
  }
}

/** The device's file with these lines of the app's own. */
export function configure(device: Device, lines: readonly string[]): void {
  writeFileSync(
    device.layout.config,
    `apps:
  app:
    source: folder releases
    env: {PORT: ${device.port}, TEST_HOME: ${device.layout.home}}
    keep: [data]
    downgrade: any
    healthy: {http: "http://127.0.0.1:${device.port}/version", version: .version, log: "server ", every: 50ms, checks: 2, for: 200ms, timeout: 2s}
    deadlines: {probing: 3s}
${lines.map((line) => `    ${line}\n`).join('')}`,
  );
}

function server(version: string, release: Release): string {
  return `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
console.log('server ${version}', process.pid);
const serve = createServer((request, response) => {
  response.writeHead(${release.ill ? 500 : 200});
  response.end(JSON.stringify({ version: '${version}', pid: process.pid, uid: process.getuid(), groups: process.getgroups(), env: process.env}));
});
const listen = () => serve.listen(Number(process.env.PORT), '127.0.0.1');
serve.on('error', () => setTimeout(listen, 20));
listen();
process.on('SIGTERM', () => process.exit(0));
${release.leavesBehind ? `spawn('setsid', ['env', '-i', process.execPath, join(import.meta.dirname, 'left.mjs')], { stdio: 'ignore' });` : ''}
const program = process.argv[1];
${onSignal(release.onSignal ?? 'exec')}
`;
}

function onSignal(what: NonNullable<Release['onSignal']>): string {
  switch (what) {
    case 'exec':
      return `process.on('SIGUSR2', () => {
  process.chdir(dirname(program));
  process.execve(process.execPath, [process.execPath, program], process.env);
});`;
    case 'child':
      return `process.on('SIGUSR2', () => {
  spawn(process.execPath, [program], { cwd: dirname(program), stdio: 'inherit' });
  setTimeout(() => process.exit(0), 300);
});`;
    case 'die':
      return `process.on('SIGUSR2', () => process.exit(9));`;
    case 'nothing':
      return `process.on('SIGUSR2', () => {});`;
  }
}

function control(release: Release): string {
  return `import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
const pidFile = join(process.env.TEST_HOME, 'app.pid');
const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
const lives = () => {
  try {
    process.kill(pid, 0);
    return !readFileSync('/proc/' + pid + '/stat', 'latin1').includes(') Z ');
  } catch {
    return false;
  }
};
switch (process.argv[2]) {
  case 'start': {
    ${release.startFails === undefined ? '' : `console.error('no licence found'); process.exit(${release.startFails});`}
    if (existsSync(join(process.env.TEST_HOME, 'no-start'))) process.exit(7);
    const child = spawn(process.execPath, [join(import.meta.dirname, 'server.mjs')], { detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
    writeFileSync(pidFile, String(child.pid));
    child.unref();
    process.exit(0);
  }
  case 'stop':
    ${release.staysOnStop ? 'process.exit(0);' : ''}
    if (lives()) process.kill(pid, 'SIGTERM');
    while (lives()) await new Promise((resolve) => setTimeout(resolve, 20));
    process.exit(0);
  case 'status':
    process.exit(lives() ? 0 : 3);
}
`;
}

/** What a release leaves behind, where it does. */
const LEFT = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);\n`;
