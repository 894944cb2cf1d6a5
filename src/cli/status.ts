import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { MESSAGES } from '../chat/messages/index.ts';
import { nameOfPlatform } from '../domain/platform-name.ts';
import { isUpdateState } from '../domain/update.ts';
import { table } from './backup/list.ts';
import { LOST_NEXT, lostLines } from './chat-status.ts';
import { sinceText } from './chats/since.ts';
import { type AppStatus, type DeviceStatus, deviceStatus } from './device-status.ts';
import { readFacts } from './doctor/facts.ts';
import { machineClock } from './npm-tools.ts';

export interface RunStatus {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly app: string | undefined;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** `fettle status [APP]`. 0: every app that is installed is well · 1: one is not, or something is wrong. */
export async function runStatus(options: RunStatus): Promise<0 | 1> {
  const { app, json, print } = options;
  const facts = await readFacts({ ...options, clock: machineClock });
  const status = await deviceStatus(facts, app);
  const ill = status.apps.some((one) => one.version !== undefined && (one.health !== 'healthy' || one.crashing));
  const unheard = app === undefined && status.chats.some(({ state }) => state === 'failed');
  const exit = ill || unheard || status.problems.length > 0 ? 1 : 0;
  if (json) print(JSON.stringify({ ...status, exit }));
  else for (const line of app === undefined ? ofAll(status) : ofOne(status)) print(line);
  return exit;
}

const words = MESSAGES.en;

function ofAll(status: DeviceStatus): string[] {
  const { hubAt } = status;
  const parts = (['keeper', 'agent', 'hub'] as const).filter((part) => part !== 'hub' || hubAt === undefined);
  const alive = [
    ...parts.map((part) => `${part} ${status[part] ? 'runs' : 'is DOWN'}`),
    ...(hubAt === undefined ? [] : [`its hub is at ${hubAt}`]),
  ];
  const rows = status.apps.map((one) => [
    one.app,
    one.version ?? 'not installed',
    healthOf(one),
    one.update ? `${one.update.id}: ${stateName(one.update.state)}` : lastOf(one),
    one.backups.count === 0 ? '' : `${one.backups.count}, newest ${ago(one.backups.newest)}`,
  ]);
  return [
    alive.join(', '),
    ...(rows.length === 0
      ? ['No app is here yet.']
      : table([['app', 'version', 'health', 'update', 'backups'], ...rows])),
    ...status.chats.flatMap(ofChat),
    ...(status.unclaimed ? ['The chats have no admin yet: `fettle claim`'] : []),
    ...status.problems.map((problem) => `! ${problem}`),
  ];
}

/** `Discord: connected since 2026-11-21 15:30 UTC`; what is wrong with it, and what to do. */
function ofChat({ platform, state, since, lastError, problem, lost }: DeviceStatus['chats'][number]): string[] {
  const well = !problem && (state === 'connected' || state === 'unattended');
  const { text, next } = problem ? words.problem(problem.code, { platform, ...problem.data }) : { text: lastError };
  const why = well ? [] : [text, next].filter((part) => part);
  return [
    `${well ? '' : '! '}${nameOfPlatform(platform)}: ${state} since ${sinceText(since)}${why.length > 0 ? `. ${why.join(' ')}` : ''}`,
    ...lostLines({ lost }, ago).map((line) => `! ${nameOfPlatform(platform)}: ${line}. ${LOST_NEXT}`),
  ];
}

function ofOne(status: DeviceStatus): string[] {
  const [one] = status.apps;
  if (!one) return [];
  const last = one.last && words.outcome(likeOutcome(one));
  const rows = [
    ['health', `${healthOf(one)}${one.reason ? `: ${one.reason}` : ''}`],
    ...(one.pid === undefined ? [] : [['process', String(one.pid)]]),
    ...(one.address === undefined ? [] : [['address', one.address]]),
    ...(one.lastGood === undefined ? [] : [['goes back to', one.lastGood]]),
    ...(one.update ? [['update', `${one.update.id}: ${stateName(one.update.state)}, ${ago(one.update.since)}`]] : []),
    ...(one.last ? [['last update', `${one.last.update}: ${last}, ${ago(one.last.endedAt)}`]] : []),
    ['backups', one.backups.count === 0 ? 'none' : `${one.backups.count}, newest ${ago(one.backups.newest)}`],
    ...(one.backups.strange > 0
      ? [['', `${one.backups.strange} can't be put back: \`fettle backup list ${one.app}\``]]
      : []),
    ...(one.blocked.length > 0 ? [['failed here', one.blocked.join(', ')]] : []),
  ];
  return [
    `${one.app} ${one.version ?? '(not installed)'}`,
    ...table(rows).map((line) => `  ${line}`),
    ...status.problems.map((problem) => `! ${problem}`),
  ];
}

function healthOf({ health, crashing }: AppStatus): string {
  if (!crashing) return words.health(health);
  return `keeps crashing, ${crashing.times} times since ${new Date(crashing.since).toISOString().slice(11, 16)} UTC`;
}

function lastOf(one: AppStatus): string {
  return one.last ? `${words.outcome(likeOutcome(one))}, ${ago(one.last.endedAt)}` : '';
}

function likeOutcome({ app, last }: AppStatus) {
  const { update: id = '', kind = 'update', state = 'failed', from, to, startedAt: requestedAt = 0 } = last ?? {};
  return { id, app, kind, state, from, to, requestedAt, outcome: last };
}

const ago = (at: number | undefined) => words.relative(at ?? 0, machineClock.now());
const stateName = (state: string) => (isUpdateState(state) ? words.state(state) : state);
