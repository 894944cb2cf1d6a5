import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAcquirer } from '../../agent/acquire/index.ts';
import { type Journal, openJournal } from '../../agent/journal.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import { runAgent } from '../../agent/main.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { deviceFile, isAgentFile, loadDeviceConfig, parseDevice } from '../../config/load-device.ts';
import { FettleError } from '../domain/errors.ts';
import { createLogLines } from '../domain/log-lines.ts';
import { makeFolder } from '../files/durable.ts';
import { createRotationFile } from '../origin/key-rotation.ts';
import { createSeenFile } from '../origin/seen.ts';
import { guardConsole } from './console.ts';
import { endOnCrash } from './crash.ts';
import { createDiscretion, writeLog } from './discretion.ts';
import { gitTools } from './git-tools.ts';
import { machineClock, npmTools } from './npm-tools.ts';
import { untilTold } from './signals.ts';
import { VERSION } from './version.ts';

export interface RoleOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
}

/**
 * Wires the agent and runs it until SIGTERM. Without a keeper it may end as another build of itself, in place.
 * @param test lets a test see the journal's writes, and pass for another version
 */
export async function startAgent(
  { layout, environment, config }: RoleOptions,
  test: {
    readonly watch?: (journal: Journal) => Journal;
    readonly version?: string;
    readonly crashLookMs?: number;
  } = {},
): Promise<void> {
  makeFolder(layout.agent.dir);
  if (!environment.kept) {
    const { becomeCurrent } = await import('./become-current.ts');
    await becomeCurrent(layout, environment, config);
  }
  const lock = takeLock(layout.agent.lock);
  const file = deviceFile(layout, config);
  const redactor = createDiscretion({
    layout,
    configFile: file,
    userHome: environment.userHome,
    variables: environment.all,
  });
  const { line } = createLogLines({ ...redactor, write: writeLog, now: machineClock.now });
  endOnCrash(process, line);
  guardConsole(redactor.redact);
  const device = loadDeviceConfig(file);
  const tools = npmTools(environment, layout.agent.dir);
  const node = process.execPath;
  const acquirer = createAcquirer({
    npm: tools.origin,
    git: gitTools(environment, layout.agent.git),
    package: {
      node,
      npmCli: tools.npmCli,
      cache: tools.cache,
      npmrc: tools.npmrc,
      env: tools.env,
      clock: machineClock,
      redactor,
    },
    seen: createSeenFile(layout.agent.seen),
    rotations: createRotationFile(layout.agent.rotations),
    clock: machineClock,
    fetch: globalThis.fetch,
    platform: `${process.platform}-${process.arch}`,
  });
  const end = await runAgent({
    layout,
    config: device,
    configFile: config,
    policyFile: isAgentFile(file) ? file : undefined,
    parsePolicy: parseDevice,
    version: test.version ?? VERSION,
    node,
    program: process.argv[1],
    kept: environment.kept,
    acquirer,
    journal: (test.watch ?? ((journal) => journal))(openJournal(layout.agent.journal)),
    basicEnvironment: environment.basic,
    redact: redactor.redact,
    clock: machineClock,
    crashLookMs: test.crashLookMs,
    log: line,
    signal: untilTold(),
  });
  lock.release();
  if (end === 'become-current') {
    const { execAgent } = await import('./become-current.ts');
    execAgent(layout, environment, config);
  }
}

/**
 * `fettle agent --rehearse`: can this build read what an agent here finds? Writes nothing but its verdict.
 * @throws {FettleError | ConfigError} `journal_unreadable`
 */
export function rehearseAgent({ layout, config }: RoleOptions, version: string = VERSION): void {
  loadDeviceConfig(deviceFile(layout, config));
  // What is over does not matter any more: an older agent need not understand what a newer one did.
  const unreadable = openJournal(layout.agent.journal).unreadable.filter((update) => !isOver(layout, update));
  if (unreadable.length > 0) {
    throw new FettleError('journal_unreadable', { data: { app: 'agent', reason: unreadable.join(', ') } });
  }
  console.log(`rehearsed ${version}`);
}

function isOver(layout: HomeLayout, update: string): boolean {
  try {
    const entry = JSON.parse(readFileSync(join(layout.agent.journal, `${update}.json`), 'utf8')) as {
      outcome?: unknown;
    };
    return typeof entry.outcome === 'object' && entry.outcome !== null;
  } catch {
    return false;
  }
}
