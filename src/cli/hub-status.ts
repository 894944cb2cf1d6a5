import type { Kysely } from 'kysely';
import type { HubStatus } from '../../adapters/index.ts';
import { MESSAGES } from '../chat/messages/index.ts';
import type { Clock } from '../domain/id.ts';
import type { Redact } from '../domain/redact.ts';
import type { Language } from '../domain/reply.ts';
import type { createPeople } from '../people/people.ts';
import type { Requests } from '../rollout/requests.ts';
import type { createServices } from '../rollout/services.ts';
import { viewOf } from '../rollout/update-view.ts';
import { listDevices } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates, endedUpdates } from '../store/updates.ts';
import { withTraffic } from './chat-status.ts';
import { VERSION } from './version.ts';

/** What the hub says of itself to who asks at its socket: `up`, `status`, `doctor`. */
export interface StatusDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly redact: Redact;
  readonly language: () => Language;
  readonly requests: Pick<Requests, 'missingProblem'>;
  readonly people: Pick<ReturnType<typeof createPeople>, 'claimed'>;
  readonly adapters: ReturnType<typeof createServices>['adapters'];
  /** Is there a chat beside the terminal? */
  readonly withChats: boolean;
}

export async function hubStatus(deps: StatusDeps): Promise<HubStatus> {
  const { db, clock, redact, requests, people } = deps;
  const devices = await listDevices(db);
  // The one beside the hub: others come and go.
  const device = devices.find(({ local }) => local);
  const waitingFor: string[] = [];
  const problems: string[] = [];
  if (device?.connected !== 1) waitingFor.push('waiting for the agent');
  else if (device.recovered !== 1) waitingFor.push('waiting for the agent to recover');
  const installing = (await activeUpdates(db)).filter((row) => row.kind === 'install' && row.route === null);
  for (const row of installing) waitingFor.push(`installing ${row.app} ${row.to_version ?? ''}`);
  for (const report of device?.apps ?? []) {
    if (report.install === undefined || installing.some((row) => row.app === report.app)) continue;
    // An installation that failed is not waited for: everything else works, and it can be asked for.
    const [ended] = await endedUpdates(db, report.app, 1);
    const outcome = ended && viewOf(ended, { name: ended.device }).outcome?.problem;
    const problem = requests.missingProblem(report.app) ?? outcome;
    if (problem) {
      const { text } = MESSAGES[deps.language()].problem(problem.code, problem.data);
      problems.push(`${report.app} ${report.install} is not installed: ${text} /update now ${report.app} tries again.`);
    } else if (!ended) waitingFor.push(`installing ${report.app} ${report.install}`);
  }
  return {
    version: VERSION,
    pid: process.pid,
    ready: waitingFor.length === 0,
    waitingFor,
    problems: problems.map(redact),
    chats: await withTraffic(
      { db, clock, redact },
      deps.adapters().flatMap(({ own, ...chat }) => (own ? [] : [chat])),
    ),
    ...(deps.withChats && !(await people.claimed()) ? { unclaimed: true } : {}),
    apps: (device?.apps ?? []).map(({ app, version, health, address }) => ({ app, version, health, address })),
  };
}
