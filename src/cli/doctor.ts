import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { askStatus } from '../../adapters/terminal/index.ts';
import { createKeeperClient } from '../../agent/keeper/client.ts';
import type { HomeLayout } from '../../config/home.ts';
import { type Environment, loadConfig } from '../../config/load.ts';
import { machineClock, npmTools } from './npm-tools.ts';
import { showError } from './show-error.ts';
import { VERSION } from './version.ts';

export interface DoctorOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly say: (line: string) => void;
}

/** One thing that was looked at: fine, worth a look, or wrong with what to do. */
interface Finding {
  readonly level: 'ok' | 'note' | 'wrong';
  readonly what: string;
}

const LEAST_FREE = 500e6;

/** Looks at everything that a set-up needs and says what is wrong and how to mend it. 1 where something is wrong. */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const checks = [platform, home, configuration, keeper, hub, sources];
  let wrong = 0;
  for (const check of checks) {
    for (const { level, what } of await check(options)) {
      if (level === 'wrong') wrong += 1;
      options.say(`${{ ok: 'ok   ', note: 'note ', wrong: 'WRONG' }[level]}  ${what}`);
    }
  }
  options.say(wrong === 0 ? 'In fine fettle.' : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong.`);
  return wrong === 0 ? 0 : 1;
}

function platform(): Finding[] {
  const findings: Finding[] = [
    { level: 'ok', what: `Fettle ${VERSION} on Node ${process.versions.node}, ${process.platform}-${process.arch}` },
  ];
  if (process.platform !== 'linux')
    findings.push({ level: 'wrong', what: 'The keeper reads /proc: only Linux is supported for keeping apps.' });
  return findings;
}

function home({ layout }: DoctorOptions): Finding[] {
  if (!existsSync(layout.home))
    return [{ level: 'note', what: `${layout.home} is not there yet: \`fettle up\` makes it.` }];
  try {
    accessSync(layout.home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return [
      { level: 'wrong', what: `${layout.home} is not writable for this user: change its owner, or set FETTLE_HOME.` },
    ];
  }
  const { bavail, bsize } = statfsSync(layout.home);
  const free = bavail * bsize;
  const room = `${Math.round(free / 1e6)} MB free`;
  return free < LEAST_FREE
    ? [
        {
          level: 'wrong',
          what: `${layout.home} has only ${room}: an update needs room for the new version and a backup.`,
        },
      ]
    : [{ level: 'ok', what: `${layout.home} is writable, ${room}` }];
}

async function configuration({ layout, config }: DoctorOptions): Promise<Finding[]> {
  const file = config ?? layout.config;
  if (!existsSync(file))
    return [{ level: 'note', what: `${file} is not there yet: the first \`fettle up\` writes one.` }];
  try {
    const apps = Object.entries(loadConfig(file).config.apps);
    const findings: Finding[] = [
      { level: 'ok', what: `${file}: ${apps.length} ${apps.length === 1 ? 'app' : 'apps'}` },
    ];
    for (const [name, app] of apps) {
      if (app.healthy.http === undefined) {
        findings.push({
          level: 'note',
          what: `${name} has no \`healthy: {http: …}\`: only its process is watched, not whether it answers.`,
        });
      }
      if (!app.source)
        findings.push({ level: 'note', what: `${name} has no \`source\`: it is kept running, but never updated.` });
    }
    return findings;
  } catch (error) {
    return (await showError(error)).split('\n').map((what) => ({ level: 'wrong' as const, what }));
  }
}

async function keeper({ layout }: DoctorOptions): Promise<Finding[]> {
  if (!existsSync(layout.runtime.keeperSocket))
    return [{ level: 'note', what: 'The keeper is not running: start it with `fettle up`.' }];
  const client = createKeeperClient(layout.runtime.keeperSocket);
  try {
    const { apps } = await client.ask('status', {}, { timeoutMs: 2_000 });
    return Object.entries(apps).map(([name, app]): Finding => {
      if (app.running)
        return {
          level: 'ok',
          what: `${name} runs (${app.crashes === 0 ? 'no crashes' : `crashed ${app.crashes} times`})`,
        };
      if (app.desired === 'stopped') return { level: 'note', what: `${name} is stopped` };
      return { level: 'wrong', what: `${name} does not run; its log: ${layout.appLog(name)}` };
    });
  } catch {
    return [{ level: 'wrong', what: `The keeper does not answer; its log: ${layout.keeper.log}` }];
  } finally {
    client.close();
  }
}

async function hub({ layout }: DoctorOptions): Promise<Finding[]> {
  if (!existsSync(layout.runtime.hubSocket)) return [];
  try {
    const status = await askStatus(layout.runtime.hubSocket, 2_000);
    const port = existsSync(layout.hub.port) ? readFileSync(layout.hub.port, 'utf8').trim() : 'unknown';
    const level = status.ready ? 'ok' : 'note';
    return [
      {
        level,
        what: `The hub answers (version ${status.version}, port ${port})${status.ready ? '' : `; ${status.waitingFor.join(', ')}`}`,
      },
      ...status.apps.map(
        (app): Finding => ({
          level: app.health === 'ill' ? 'wrong' : 'ok',
          what: `${app.app} ${app.version ?? '(not installed)'} is ${app.health}`,
        }),
      ),
    ];
  } catch {
    return [{ level: 'wrong', what: `The hub does not answer; its log: ${layout.appLog('hub')}` }];
  }
}

/** Asks the registry of the first npm app: the question that fails most often in a closed network. */
async function sources({ layout, environment, config }: DoctorOptions): Promise<Finding[]> {
  const file = config ?? layout.config;
  if (!existsSync(file)) return [];
  try {
    const app = Object.values(loadConfig(file).config.apps).find((a) => a.source?.kind === 'npm');
    if (app?.source?.kind !== 'npm') return [];
    const began = machineClock.monotonic();
    await npmTools(environment, layout.hub.dir).origin.versions(app.source.package, {
      signal: AbortSignal.timeout(30_000),
    });
    return [{ level: 'ok', what: `The npm registry answers (${Math.round(machineClock.monotonic() - began)} ms)` }];
  } catch (error) {
    return [{ level: 'wrong', what: await showError(error) }];
  }
}
