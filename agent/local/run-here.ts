import { isSelf } from '../../src/domain/app.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { isFinal } from '../../src/domain/update.ts';
import type { Order } from '../../src/protocol/messages.ts';
import { openDeviceAudit } from '../audit/index.ts';
import type { JournalEntry } from '../journal.ts';
import { messageOf } from '../outcome-message.ts';
import { asOurs } from '../rescue/bring.ts';
import type { Charge } from '../rescue/charge.ts';
import { contextOf } from '../rescue/context.ts';
import type { RescueOptions } from '../rescue/contract.ts';
import { type GoBack, interruptedUpdate, selfParts, updaterDeps } from '../rescue/go-back.ts';
import { knowApp } from '../rescue/known-app.ts';
import { newEntry } from '../updater/new-entry.ts';
import { mayHaveRun, resume } from '../updater/recover.ts';
import { runUpdate } from '../updater/run.ts';
import { createTask } from '../updater/task.ts';

/**
 * Carries an order out in this process, by the agent's own table of states and its journal, where no agent lives. Call it
 * with the agent's lock held. Cut off anywhere, the next agent goes on, and so does the same order given again.
 *
 * @param onEntry called with each state, once it is on disk
 * @returns the entry in its final state; as it is where the signal ended it early
 * @throws {FettleError} `in_progress {app, id, state}` where another update was interrupted
 */
export async function runHere(
  options: RescueOptions,
  charge: Charge,
  order: Order,
  onEntry: (entry: JournalEntry) => void,
): Promise<JournalEntry> {
  const known = knowApp(options);
  const context = contextOf(options, charge, known);
  const { journal, driver, slots } = context;
  const { app } = order;
  const audit = openDeviceAudit(options);
  try {
    const first = await firstEntry(context, order);
    // Not as strict as for a hub's order: whoever stands before the device goes on where its disk is full.
    audit.orders.tookHere(first.order);
    journal.write(first);
    if (known.kept?.spec !== known.spec) await driver.define(app, known.config);
    const deps = { ...updaterDeps(context), onReport: onEntry };
    const task = createTask(deps, { config: known.config, slots, driver, self: selfParts(context) }, first);
    onEntry(first);
    await runUpdate(task, options.signal);
    if (task.entry.state === 'rollback-failed')
      await driver.start(app).catch(() => driver.keepTrying?.(app).catch(() => undefined));
    const ended = messageOf(task.entry);
    if (ended) audit.orders.done(ended);
    // Nothing is started after this but by a keeper that lives.
    charge.own?.settle();
    if (isFinal(task.entry.state) && slots.current() !== undefined) {
      await driver.release(app).catch((error: unknown) => options.log(`the hold stays: ${String(error)}`));
    }
    return task.entry;
  } catch (error) {
    throw asOurs(error);
  }
}

async function firstEntry({ journal, driver, options, slots }: GoBack, order: Order): Promise<JournalEntry> {
  const { app } = order;
  const left = interruptedUpdate(journal, app);
  if (!left) return newEntry(order, options.clock.now());
  const { order: begun, state } = left;
  const same = begun.local && begun.kind === order.kind && begun.backupSeq === order.backupSeq;
  if (!same || isSelf(app)) throw new FettleError('in_progress', { data: { app, id: begun.update, state } });
  const fellBack = (await driver.status(app))?.fellBack ?? false;
  const next = resume(left, { fellBack, mayHaveRun: mayHaveRun(left, driver.kind, slots.current()) });
  return { ...left, ...next.patch, state: next.state, seq: left.seq + 1_000 };
}
