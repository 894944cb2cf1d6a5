import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openJournal } from '../../../agent/journal.ts';
import { createKeeperClient, type KeeperClient } from '../../../agent/keeper/client.ts';
import { takeLock } from '../../../agent/keeper/lock.ts';
import { pidsOf as pidsOfStart } from '../../../agent/keeper/processes.ts';
import { commandLine } from '../../../agent/keeper/scan.ts';
import { pidsOf } from '../../../agent/rescue/charge.ts';
import { findUser } from '../../../agent/restart/user.ts';
import { readTail } from '../../../agent/updater/log-tail.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { isFinal } from '../../domain/update.ts';
import { roleSpec, spawnStart, startRoles } from '../up.ts';
import { placeOf, type RunningNow, refused, type ServicePlan } from './contract.ts';

const ANSWER_MS = 30_000;
const GONE_MS = 20_000;

/** @throws {FettleError} `service_refused` where it can't be taken over */
export async function runningNow(layout: HomeLayout, active: boolean): Promise<RunningNow> {
  if (active) return { how: 'service', layout };
  if (!isHeld(layout)) return { how: 'nothing', layout };
  const attached = pidsOf(layout, 'start').some((pid) => commandLine(pid).includes('--parent-pipe'));
  if (attached) throw refused('it runs in a terminal (`fettle up`)', 'End that, then try again');
  const open = openJournal(layout.agent.journal).list();
  const busy = open.find((entry) => !isFinal(entry.state));
  if (busy) throw refused(`an update of ${busy.order.app} is under way`, 'Try again when it is over');
  return { how: 'detached', layout };
}

/**
 * Ends what `fettle up --detach` started, but for the apps: they run on, and the service's keeper adopts them.
 * Hub and agent are ended, since their sockets move.
 */
export async function letGo({ running, options }: Pick<ServicePlan, 'running' | 'options'>): Promise<void> {
  const { layout } = running;
  options.say('Taking over from what runs in the background; apps run on.');
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    for (const app of ['agent', 'hub']) await keeper.ask('stop', { app }, { timeoutMs: GONE_MS });
    // It would start the keeper again.
    for (const pid of pidsOf(layout, 'start')) process.kill(pid, 'SIGKILL');
    await keeper.ask('renew', {});
  } finally {
    keeper.close();
  }
  const end = performance.now() + GONE_MS;
  while (isHeld(layout)) {
    if (performance.now() > end) throw refused('the keeper in the background does not end');
    await delay(50);
  }
}

/** The way back, where the service does not start: apps must not stay without a keeper. */
export async function takeBack({ running, options }: ServicePlan): Promise<void> {
  options.say('The service does not start: going on in the background as before.');
  const { layout } = running;
  spawnStart({ ...options, layout, detach: true });
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('hello', {}, { timeoutMs: ANSWER_MS });
    await startRoles({ ...options, layout }, keeper, ['hub', 'agent']);
  } catch (error) {
    options.say(`That did not work either: ${(error as Error).message}. \`fettle up --detach\` starts it.`);
  } finally {
    keeper.close();
  }
}

/** Waits until the service's keeper answers, and has it keep the agent (and the hub, unless that has its own unit). */
export async function serve(plan: ServicePlan): Promise<void> {
  const { layout, options, manager, units, changed, running } = plan;
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('hello', {}, { timeoutMs: ANSWER_MS }).catch(async (error: unknown) => {
      const name = units[0]?.name ?? '';
      const said = readTail(layout.keeper.log, 1, 2_000) || (await manager.systemctl.journal(manager.unit(name), 1));
      const reason = `${name} does not answer: ${said || (error as Error).message}`;
      throw new FettleError('keeper_unreachable', { data: { reason, log: layout.keeper.log }, cause: error });
    });
    if (options.separate) {
      // Kept by Fettle before: it must not run twice.
      await keeper.ask('stop', { app: 'hub' }, { timeoutMs: GONE_MS }).catch(() => undefined);
      await keeper.ask('forget', { app: 'hub' }).catch(() => undefined);
    }
    await changeUser(plan, keeper);
    // What a unit says anew counts from its start, and the hub's costs no app anything.
    const hub =
      options.separate && running.how === 'service' ? changed.find(({ name }) => name === units[1]?.name) : undefined;
    if (hub) await manager.systemctl.run({ user: options.user }, ['restart', hub.name], ANSWER_MS);
    await startRoles({ ...options, layout }, keeper, options.separate ? ['agent'] : ['hub', 'agent']);
  } finally {
    keeper.close();
  }
}

/** A hub that runs as another user than it is to is started again. Apps and agent never notice. */
async function changeUser(plan: ServicePlan, keeper: KeeperClient): Promise<void> {
  const { options, layout, owner } = plan;
  if (options.separate) return;
  const place = placeOf(plan);
  const wanted = place ? findUser(place.user)?.uid : owner.uid;
  const startId = (await keeper.ask('status', {})).apps.hub?.running?.startId;
  if (startId === undefined || pidsOfStart(startId).every((pid) => uidOf(pid) === wanted)) return;
  options.say(`Starting the hub again, as ${place?.user ?? owner.name}; apps run on.`);
  await keeper.ask('keep', { app: 'hub', spec: roleSpec({ ...options, layout }, 'hub') });
  await keeper.ask('restart', { app: 'hub' }, { timeoutMs: GONE_MS });
}

/** As whom a process runs. Who owns its files in /proc is another question. */
export function uidOf(pid: number): number | undefined {
  try {
    const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return uid === undefined ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}

/** Does a keeper have this home? */
export function isHeld(layout: HomeLayout): boolean {
  try {
    takeLock(layout.keeper.lock).release();
    return false;
  } catch (error) {
    if (error instanceof FettleError && error.code === 'home_in_use') return true;
    // No folder yet.
    if (error instanceof FettleError && error.code === 'home_not_writable') return false;
    throw error;
  }
}
