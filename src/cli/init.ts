import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fetchOnce } from '../../agent/health/http.ts';
import { CHAT_PLATFORMS } from '../../config/chat-secrets.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { loadConfig } from '../../config/load.ts';
import { FettleError } from '../domain/errors.ts';
import { readVersion } from '../domain/version.ts';
import { makeFolder } from '../files/durable.ts';
import { writeSchema } from './config/schema.ts';
import { adopt, finish, stopRunners } from './init/adopt.ts';
import { type AskProgram, createAskProgram } from './init/ask.ts';
import type { Found, InitRecord, Runner } from './init/contract.ts';
import { detect } from './init/detect.ts';
import { healthOf, makePlan, type Plan, withChoices } from './init/plan.ts';
import { ownVariables, runnersOf, variableOf, withBelow } from './init/processes.ts';
import type { Questions } from './init/questions.ts';
import {
  recordOf,
  refuseAdoptedElsewhere,
  refuseKept,
  refuseOwner,
  refusePackaged,
  refusePlace,
  refuseRunning,
  refuseUnitUser,
  refuseWriters,
} from './init/refusals.ts';
import { configurationLines, foundLines, planLines, withoutPasswords } from './init/text.ts';
import { recordToUndo, runningOf, undo } from './init/undo.ts';
import { makeOwnAccount, userName } from './init/user-name.ts';
import { machineClock } from './npm-tools.ts';

/** `fettle init`: takes an app over that is there already, and gives it back. */

export interface InitOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  /** A folder, an executable, `npm:NAME` or `NAME.service`; with `undo` the app. */
  readonly target: string;
  readonly name?: string | undefined;
  readonly source?: string | undefined;
  readonly build?: string | undefined;
  readonly run?: string | undefined;
  readonly keep?: readonly string[] | undefined;
  readonly leave?: readonly string[] | undefined;
  readonly port?: string | undefined;
  readonly health?: string | undefined;
  readonly user?: string | undefined;
  readonly current?: string | undefined;
  readonly file?: string | undefined;
  readonly userUnit?: boolean | undefined;
  readonly stopPid?: readonly number[] | undefined;
  readonly yes?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly undo?: boolean | undefined;
  readonly json?: boolean | undefined;
  /** Somebody to ask; absent in a pipe. */
  readonly questions?: Questions | undefined;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** The app is there from now on. */
  readonly onAdopted?: (() => void) | undefined;
}

/** 0: done, or said what would be done. @throws {FettleError | ConfigError} with nothing half done that the same command would not go on with */
export async function runInit(options: InitOptions): Promise<number> {
  return options.undo ? runUndo(options) : runAdopt(options);
}

async function runAdopt(options: InitOptions): Promise<number> {
  const { layout, environment, signal, json, print } = options;
  const say = (line: string) => {
    if (!json) print(line);
  };
  const ask = createAskProgram(environment.basic, signal);
  const begun = recordOf(layout, realOf(options.target));
  if (begun) return goOn(begun, options, ask, say);
  const looked = await look(options, ask);
  const known = recordOf(layout, looked.path);
  if (known) return goOn(known, options, ask, say);
  const runners = looked.path.startsWith('/') ? runnersOf(looked.path) : [];
  // Before anybody is asked about it.
  if (options.questions) say(`${looked.path}: ${looked.what}`);
  const found = await complete(looked, runners, options);
  const health = (await chooseHealth(options, runners)) ?? undefined;
  const plan = await makePlan(
    found,
    {
      name: options.name,
      source: options.source,
      build: options.build,
      run: options.run,
      keep: options.keep ?? [],
      leave: options.leave ?? [],
      health,
      current: undefined,
      file: options.file,
      user: options.user,
    },
    runners,
    { layout, configFile: configFile(options), signal },
  );
  refuseKept(found, layout.app(plan.app).shared);
  for (const line of foundLines(plan).slice(options.questions ? 1 : 0)) say(line);
  const stops = stopsOf(plan, options);
  const go = options.yes === true && options.dryRun !== true;
  say('');
  say(go ? 'fettle init:' : 'fettle init would, and nothing else:');
  for (const line of planLines(plan, stops)) say(line);
  say('');
  if (!go && !(await confirmed(options))) {
    if (json) print(JSON.stringify(reportOf(plan, layout, false)));
    else say('Nothing was changed. --yes does it.');
    return 0;
  }
  // Before anything is stopped: everything else that would be refused afterwards.
  if (!mayRunOn(found))
    refuseRunning(
      { ...found, keep: [] },
      runners.filter(({ pid }) => !stops.includes(pid)),
    );
  if (found.kind !== 'binary') {
    const kept = found.keep.map(({ path }) => join(found.path, path));
    refuseWriters(found.path, kept, stops);
  }
  await stopRunners(found.path, stops, runners, signal);
  refuseRunning(found, mayRunOn(found) ? [] : runnersOf(found.path));
  makeFolder(layout.home);
  writeSchema(dirname(configFile(options)));
  makeOwnAccount(plan.account, plan.app, layout, say);
  await adopt(plan, { layout, ask, signal, now: machineClock.now, say });
  if (json) print(JSON.stringify(reportOf(plan, layout, true)));
  for (const line of doneLines(plan, options)) say(line);
  options.onAdopted?.();
  return 0;
}

/** What is ended: what was named with what it started; all that a person started, where that person is asked. */
function stopsOf({ found, runners }: Plan, { stopPid = [], questions }: InitOptions): number[] {
  const asked = questions !== undefined && stopPid.length === 0 && !mayRunOn(found);
  return asked && runners.every(({ by }) => by.kind === 'hand')
    ? runners.map(({ pid }) => pid)
    : withBelow(stopPid, runners);
}

/** What was found, and everything that speaks against it that nobody has to be asked for. */
async function look(options: InitOptions, ask: AskProgram): Promise<Found> {
  const { layout } = options;
  const modules = join(dirname(dirname(process.execPath)), 'lib', 'node_modules');
  const found = await detect(options.target, {
    ask,
    cwd: process.cwd(),
    userUnits: options.userUnit === true,
    globalModules: [...new Set([modules, '/usr/lib/node_modules', '/usr/local/lib/node_modules'])],
  });
  refusePlace(found, layout);
  refuseAdoptedElsewhere(found);
  await refusePackaged(found, ask);
  refuseOwner(found, options.user, userName);
  refuseUnitUser(found, layout.home, userName);
  return found;
}

/** With what was said, and what has to be asked. @throws {FettleError} `bad_arguments` naming the flag, in a pipe */
async function complete(found: Found, runners: readonly Runner[], options: InitOptions): Promise<Found> {
  const bare = found.kind === 'binary' && !found.unit;
  const said = withChoices(found, {
    name: options.name,
    source: options.source,
    build: options.build,
    run: options.run ?? (bare ? await askArguments(found, runners, options) : undefined),
    keep: options.keep ?? [],
    leave: options.leave ?? [],
    health: undefined,
    user: undefined,
    current: versionSaid(options.current),
    file: undefined,
  });
  let { run, source } = said;
  if (run === undefined && said.kind !== 'binary' && !said.unit) {
    const hint = runners[0] === undefined ? '' : ` [${runners[0].command}]`;
    run =
      (await options.questions?.ask(`How is it started (run: …)?${hint} `)) ||
      (options.questions && runners[0]?.command);
    if (!run)
      throw new FettleError('bad_arguments', {
        data: {
          reason: `how ${said.path} is started can't be seen: give --run COMMAND, such as --run "node server.js"`,
        },
      });
  }
  if (source === undefined && options.questions) {
    source =
      (await options.questions.ask(
        'Where do its releases come from (npm NAME, folder PATH, feed URL, git URL BRANCH, github OWNER/REPO; Enter: nowhere yet)? ',
      )) || undefined;
  }
  return withVariables({ ...said, run, source }, runners);
}

/** How a program is started that may need arguments; a copy that runs says it. */
async function askArguments({ path }: Found, [runner]: readonly Runner[], { questions }: InitOptions) {
  const words = (await questions?.ask(`How is it started (Enter: ${runner?.command ?? path})? `)) || runner?.command;
  // A line that begins with an option has forgotten the program.
  return words?.startsWith('-') ? `${path} ${words}` : words;
}

/** What a copy that runs was given by hand: a start by Fettle would lack it. Values may be secrets, but for the port. */
function withVariables(found: Found, runners: readonly Runner[]): Found {
  if (found.kind === 'binary' || found.unit) return found;
  const names = new Set<string>();
  let { env } = found;
  for (const { pid } of runners) {
    for (const name of ownVariables(pid)) if (env?.[name] === undefined) names.add(name);
    const port = variableOf(pid, 'PORT');
    if (port !== undefined && /^\d+$/.test(port) && env?.PORT === undefined) env = { ...env, PORT: port };
  }
  names.delete('PORT');
  if (names.size === 0) return { ...found, env };
  const note = `The copy that runs has variables that Fettle would not give it: ${shortened(names)}. Those it needs belong under \`env\`, or into a kept .env.`;
  return { ...found, env, notes: [...found.notes, note] };
}

/** First what that copy alone was given; of what this session has too, as many as can be read. */
function shortened(names: ReadonlySet<string>): string {
  const ours = new Set(ownVariables(process.pid));
  const given = [...names].filter((name) => !ours.has(name));
  const shared = [...names].filter((name) => ours.has(name));
  const shown = [...given, ...shared.slice(0, Math.max(0, NAMES - given.length))];
  const more = names.size - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more, as in this session` : shown.join(', ');
}

const NAMES = 8;

/** What was said; else what a running copy answers on. A terminal is asked. */
async function chooseHealth(options: InitOptions, runners: readonly Runner[]) {
  const said = healthOf(options.port, options.health);
  if (said) return said;
  const ports = [...new Set(runners.flatMap(({ ports: of }) => of))];
  const [port] = ports;
  if (ports.length === 1 && port !== undefined) {
    const answer = await fetchOnce(
      new URL(`http://127.0.0.1:${port}/`),
      AbortSignal.any([options.signal, AbortSignal.timeout(2_000)]),
    ).catch(() => undefined);
    return answer && answer.status >= 200 && answer.status < 300
      ? { http: `http://127.0.0.1:${port}/` }
      : { tcp: port };
  }
  const text = await options.questions?.ask('Which port does it answer on (Enter: none)? ');
  return text ? healthOf(text, undefined) : undefined;
}

async function confirmed({ questions, dryRun, json }: InitOptions): Promise<boolean> {
  if (!questions || dryRun || json) return false;
  return /^(y|yes|是)$/i.test(await questions.ask('Do it? [y/N] '));
}

function versionSaid(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const version = readVersion(text);
  if (version === undefined)
    throw new FettleError('bad_arguments', {
      data: { reason: `--current ${text}: expected a version, such as 1.2.3` },
    });
  return version;
}

/** A binary stays where it is and may go on running; nothing is there yet of a package that is not installed. */
function mayRunOn(found: Found): boolean {
  return found.version === undefined || (found.kind === 'binary' && found.unit !== undefined);
}

/** An app that was begun, or is there already. */
async function goOn(
  record: InitRecord,
  options: InitOptions,
  ask: AskProgram,
  say: (line: string) => void,
): Promise<number> {
  const { layout, json, print, signal } = options;
  const { app, path } = record;
  const refuse = (reason: string, advice: string) =>
    new FettleError('init_refused', { data: { path, reason, advice } });
  if (record.state === 'adopted')
    throw refuse(`it is already adopted as ${app} in ${layout.home}`, `Undo: fettle init --undo ${app}`);
  if (record.state === 'undoing') throw refuse('undoing it was interrupted', `Go on with: fettle init --undo ${app}`);
  say(`${path}: taking it over as ${app} was interrupted.`);
  if (options.dryRun || !(options.yes || (await confirmed(options)))) {
    if (json) print(JSON.stringify({ app, home: layout.home, path, done: false, interrupted: true }));
    say(`Nothing was changed. --yes finishes it; \`fettle init --undo ${app}\` takes it back.`);
    return 0;
  }
  if (record.kind !== 'binary') {
    const still = runnersOf(path);
    await stopRunners(path, withBelow(options.stopPid ?? [], still), still, signal);
    refuseRunning({ path, keep: [] }, runnersOf(path));
  }
  await finish(record, { layout, ask, signal, now: machineClock.now, say });
  if (json) print(JSON.stringify({ app, home: layout.home, path, done: true }));
  say(`Finished: ${app} is adopted in ${layout.home}.`);
  options.onAdopted?.();
  return 0;
}

async function runUndo(options: InitOptions): Promise<number> {
  const { layout, environment, signal, json, print } = options;
  const lines: string[] = [];
  const say = (line: string) => {
    lines.push(line);
    if (!json) print(line);
  };
  const ask = createAskProgram(environment.basic, signal);
  const record = recordOf(layout, realOf(options.target)) ?? recordToUndo(layout, options.target);
  const { app, path } = record;
  const deps = { layout, ask, signal, now: machineClock.now, say };
  const running = await runningOf(record, layout, deps);
  const runs = running !== undefined && running.pids.length > 0;
  const home = `${app} in ${layout.home}`;
  if (options.dryRun || (runs && !options.yes) || !(options.yes || (await confirmedUndo(options)))) {
    if (runs && !options.dryRun && !options.questions)
      throw new FettleError('init_refused', {
        data: {
          path: app,
          reason: `it runs (pid ${running.pids.join(', ')})`,
          advice: `fettle init --undo ${app} --yes stops it`,
        },
      });
    if (json) print(JSON.stringify({ app, home: layout.home, path, done: false, undo: true }));
    say(
      `${home}: would be given back to ${path}${runs ? ', and stopped for it' : ''}. Nothing was changed. --yes does it.`,
    );
    return 0;
  }
  await running?.stop();
  await undo(record, deps);
  say(
    `${path} is as it was before \`fettle init\`${record.kind === 'binary' ? '' : ', with its data as it is today'}. Start ${app} as you did before.`,
  );
  for (const platform of chatsIn(configFile(options)))
    say(`The chat ${platform} is not the app's, and stays: fettle chats remove ${platform}`);
  if (json) print(JSON.stringify({ app, home: layout.home, path, done: true, undo: true, said: lines }));
  return 0;
}

function chatsIn(file: string): string[] {
  try {
    const { chats } = loadConfig(file).config;
    return CHAT_PLATFORMS.filter((platform) => chats[platform] !== undefined);
  } catch {
    return [];
  }
}

async function confirmedUndo({ questions, json }: InitOptions): Promise<boolean> {
  // Without a terminal an undo is what was asked for; nothing of it is lost.
  if (!questions || json) return true;
  return /^(y|yes|是)$/i.test(await questions.ask('Give it back? [y/N] '));
}

function doneLines({ app, entry, found }: Plan, { layout }: InitOptions): string[] {
  return [
    `${app} is adopted: ${configurationLines(entry)} lines in ${layout.config}.`,
    `Start it:  fettle up          Update it:  /update now ${app}          Undo:  fettle init --undo ${app}`,
    ...(found.version === undefined ? [`It is not installed yet: /update now ${app} does that.`] : []),
  ];
}

function reportOf(plan: Plan, layout: HomeLayout, done: boolean) {
  const { app, found, entry, steps, runners, size } = plan;
  return {
    app,
    home: layout.home,
    path: found.path,
    kind: found.kind,
    version: found.version,
    keep: found.keep,
    notes: found.notes,
    runners,
    size,
    steps: steps.map(({ do: what }) => what),
    entry: withoutPasswords(entry),
    lines: configurationLines(entry),
    done,
  };
}

function configFile({ config, layout }: InitOptions): string {
  return config === undefined ? layout.config : resolve(config);
}

function realOf(target: string): string {
  const path = resolve(target);
  return existsSync(path) ? realpathSync(path) : target;
}
