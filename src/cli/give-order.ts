import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { layout as linesOf, NO_PAINT } from '../../adapters/terminal/index.ts';
import { type JournalEntry, readJournalEntry } from '../../agent/journal.ts';
import {
  forgetRefusal,
  type LocalOrder,
  offerOrder,
  orderOf,
  refusalOf,
  withdrawOrder,
} from '../../agent/local/order-file.ts';
import { runHere } from '../../agent/local/run-here.ts';
import { type Charge, pidsOf, refuseOtherUser, takeCharge } from '../../agent/rescue/charge.ts';
import { Refused, type RescueOptions } from '../../agent/rescue/contract.ts';
import { knowApp } from '../../agent/rescue/known-app.ts';
import type { UpdateLike } from '../chat/messages/contract.ts';
import { MESSAGES } from '../chat/messages/index.ts';
import { finalCard } from '../chat/render-update.ts';
import { isErrorCode } from '../domain/errors.ts';
import type { Language } from '../domain/reply.ts';
import { isFinal } from '../domain/update.ts';
import { readTrimmed } from '../files/durable.ts';
import type { Problem } from '../protocol/messages.ts';
import { refusalLines } from './rescue-text.ts';

/** 0: done · 1: it failed, or was undone · 2: not begun · 130: nobody waited for its end. */
export type OrderExit = 0 | 1 | 2 | 130;

export interface GiveOrder {
  readonly order: LocalOrder;
  /** How to work without an agent. */
  readonly rescue: RescueOptions;
  readonly language: Language;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** The agent that lives takes an order at once. */
const TAKEN_MS = 20_000;
/** So long without any agent: nobody goes on with it. */
const ALONE_MS = 20_000;
/** Longer than all deadlines of an order together. */
const LONGEST_MS = 24 * 60 * 60_000;
/** A second command at the same moment is through with its look by then. */
const OTHERS_MS = 5_000;
const POLL_MS = 100;

/**
 * Gives an order on this device and follows it to its end: through the agent where one lives, else in this process, never
 * beside it. What it prints at the end is what a chat is told.
 */
export async function giveOrder(given: GiveOrder): Promise<OrderExit> {
  const { rescue, order, json, print } = given;
  const { layout, signal } = rescue;
  let charge: Charge | undefined;
  try {
    refuseOtherUser(layout);
    knowApp(rescue);
    charge = await chargeOf(rescue);
    if (charge.agentIsOurs()) return await here(given, charge);
    await charge.release();
    charge = undefined;
    offerOrder(layout.agent.local, order);
    return await follow(given);
  } catch (error) {
    if (signal.aborted) return leave(given);
    if (!(error instanceof Refused)) throw error;
    if (json) print(JSON.stringify({ app: order.app, result: 'refused', refusal: error.refusal, exit: 2 }));
    else for (const line of refusalLines(order.app, error.refusal, undefined)) print(line);
    return 2;
  } finally {
    await charge?.release();
  }
}

/** Another command may just be looking who lives. */
async function chargeOf(rescue: RescueOptions): Promise<Charge> {
  const end = rescue.clock.monotonic() + OTHERS_MS;
  for (;;) {
    try {
      return await takeCharge(rescue);
    } catch (error) {
      const waits = error instanceof Refused && error.refusal.why === 'rescue-runs' && rescue.clock.monotonic() < end;
      if (!waits) throw error;
      await delay(POLL_MS, undefined, { signal: rescue.signal });
    }
  }
}

async function here(given: GiveOrder, charge: Charge): Promise<OrderExit> {
  const { rescue, order, print, json } = given;
  const device = readTrimmed(join(rescue.layout.agent.dir, 'id')) ?? 'd-unknown';
  const tell = teller(given);
  if (!json) print(`${order.app}: no agent lives; this is done without it`);
  const entry = await runHere(rescue, charge, orderOf(order, device), tell);
  if (!isFinal(entry.state)) return leave(given);
  const exit = end(given, entry);
  if (!json && charge.own) print('  Nobody watches it until Fettle is started: `fettle up --detach`.');
  return exit;
}

async function follow(given: GiveOrder): Promise<OrderExit> {
  const { rescue, order } = given;
  const { layout, signal, clock } = rescue;
  const { local, journal } = layout.agent;
  const tell = teller(given);
  const begun = clock.monotonic();
  let alive = begun;
  let seen: JournalEntry | undefined;
  while (clock.monotonic() - begun < LONGEST_MS) {
    seen = readJournalEntry(journal, order.update) ?? seen;
    if (seen) tell(seen);
    if (seen && isFinal(seen.state) && seen.outcome) return end(given, seen);
    const refusal = refusalOf(local, order.update);
    if (refusal) {
      forgetRefusal(local, order.update);
      return refused(given, refusal);
    }
    const now = clock.monotonic();
    if (!seen && now - begun > TAKEN_MS && withdrawOrder(local, order.update)) {
      return refused(given, { code: 'busy', data: { app: order.app, other: 'agent' }, retryable: true });
    }
    if (now - alive > ALONE_MS) {
      if (pidsOf(layout, 'agent').length === 0) return leave(given, 'The agent has ended.');
      alive = now;
    }
    await delay(POLL_MS, undefined, { signal });
  }
  return leave(given);
}

/** Tells each state once. */
function teller({ language, json, print, order }: GiveOrder): (entry: JournalEntry) => void {
  let last = '';
  const { cards } = MESSAGES[language];
  return ({ state }) => {
    if (state === last || isFinal(state)) return;
    last = state;
    const doing = (order.kind === 'restore' && cards.doingRestore[state]) || cards.doing[state];
    if (!json) print(`${order.app}: ${doing}`);
  };
}

function end({ language, json, print, order, rescue }: GiveOrder, entry: JournalEntry): OrderExit {
  const exit = entry.state === 'succeeded' ? 0 : 1;
  if (json) {
    print(JSON.stringify({ app: order.app, update: order.update, result: entry.state, outcome: entry.outcome, exit }));
    return exit;
  }
  // What can be pressed in a chat can't be pressed here.
  const {
    buttons: _,
    hints,
    ...card
  } = finalCard(entry.outcome ?? undefined, likeUpdate(entry), language, { admin: true });
  for (const line of linesOf(card, LOOK)) print(line);
  if (order.backup && entry.outcome?.backup !== undefined)
    print(`  Backup ${order.app}/${entry.outcome.backup} was made.`);
  if (entry.state === 'rollback-failed') for (const hint of hints ?? []) print(`  ${hint}`);
  if (exit !== 0) print(`  Its log: ${rescue.layout.appLog(order.app)}`);
  return exit;
}

function refused({ language, json, print, order }: GiveOrder, problem: Problem): OrderExit {
  const { code, data } = problem;
  const { text, next } = MESSAGES[language].problem(isErrorCode(code) ? code : 'internal', data);
  if (json) print(JSON.stringify({ app: order.app, result: 'refused', problem, exit: 2 }));
  else print(next ? `${text} ${next}` : text);
  return 2;
}

/** Nobody waits any longer. Begun or not, it is on disk, unless it could be withdrawn. */
function leave({ json, print, order, rescue }: GiveOrder, why?: string): OrderExit {
  const { local, journal } = rescue.layout.agent;
  const withdrawn = existsSync(local) && withdrawOrder(local, order.update);
  const begun = readJournalEntry(journal, order.update) !== undefined;
  const result = withdrawn || !begun ? 'withdrawn' : 'goes-on';
  if (json) print(JSON.stringify({ app: order.app, update: order.update, result, exit: 130 }));
  else if (result === 'withdrawn') print(`${order.app}: nothing was begun.`);
  else {
    const says = why ? `${why} It goes on when the agent does` : 'It goes on';
    print(`${order.app}: ${says}: \`fettle status ${order.app}\` shows it (${order.update}).`);
  }
  return 130;
}

const LOOK = { paint: NO_PAINT, width: Number.POSITIVE_INFINITY, marks: undefined };

/** A journal's entry as cards see an update. */
export function likeUpdate({ order, state, startedAt, fromVersion, toVersion, outcome }: JournalEntry): UpdateLike {
  return {
    id: order.update,
    app: order.app,
    kind: order.kind,
    state,
    from: fromVersion ?? undefined,
    to: toVersion ?? undefined,
    backup: order.backupSeq,
    requestedAt: startedAt,
    outcome: outcome ?? undefined,
  };
}
