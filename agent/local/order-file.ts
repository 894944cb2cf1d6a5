import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, syncFolder, writeDurably } from '../../src/files/durable.ts';
import { type Order, Problem } from '../../src/protocol/messages.ts';

/**
 * Orders that are given on the device itself, as files in `agent/local/`: `ID.json` is offered, `ID.taken` the agent has
 * begun to take, `ID.refused` says why it was not. Each change is one rename, so that an order is either taken or withdrawn,
 * whatever is killed when. Who may write into the folder (mode 0700) may do everything to this home anyway.
 */
export const LocalOrder = z.object({
  v: z.literal(1),
  /** `u-` and eight characters: hubs give four. */
  update: z.string().regex(/^u-[a-z0-9]{2,20}$/),
  app: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/),
  kind: z.enum(['rollback', 'restart', 'restore']),
  withData: z.boolean().default(false),
  backupSeq: z.number().int().positive().optional(),
  /** A restart that makes a backup. */
  backup: z.literal(true).optional(),
  /** The user who asks. */
  by: z.string().min(1).max(60),
  at: z.number().int().nonnegative(),
});
export type LocalOrder = z.infer<typeof LocalOrder>;

/** As the journal has it: every order looks alike from there on. */
export function orderOf(local: LocalOrder, device: string): Order {
  const { update, app, kind, withData, backupSeq, by, at } = local;
  return {
    id: `o-${update}`,
    update,
    device,
    app,
    kind,
    withData,
    backup: true,
    ...(backupSeq === undefined ? {} : { backupSeq }),
    force: false,
    local: { by, ...(local.backup ? { backup: true } : {}) },
    notBefore: at,
    // Nobody waits for its end but who gave it.
    expiresAt: at,
  };
}

/** Leaves an order for the agent, durably. */
export function offerOrder(folder: string, order: LocalOrder): void {
  makeFolder(folder, 0o700);
  writeDurably(join(folder, `${order.update}.json`), `${JSON.stringify(order)}\n`, 0o600);
}

/** Takes an offer back; false where the agent has begun to take it. */
export function withdrawOrder(folder: string, update: string): boolean {
  try {
    renameSync(join(folder, `${update}.json`), join(folder, `${update}.withdrawn`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  rmSync(join(folder, `${update}.withdrawn`), { force: true });
  syncFolder(folder);
  return true;
}

/** Why the agent did not take an order; `undefined` where it has not said so. */
export function refusalOf(folder: string, update: string): Problem | undefined {
  try {
    return Problem.parse(JSON.parse(readFileSync(join(folder, `${update}.refused`), 'utf8')));
  } catch {
    return undefined;
  }
}

/** The asker has read it. */
export function forgetRefusal(folder: string, update: string): void {
  rmSync(join(folder, `${update}.refused`), { force: true });
}

/** Refusals that nobody has read for so long are of nobody's interest. */
const UNREAD_MS = 24 * 60 * 60_000;

/** Marks what is offered as being taken, and answers all that is, with its content: text, to be judged. */
export function ordersToTake(folder: string, now: number): { readonly update: string; readonly text: string }[] {
  const found: { update: string; text: string }[] = [];
  for (const name of namesIn(folder)) {
    const [, update = '', end] = /^(u-[a-z0-9]{2,20})\.(json|taken|refused)$/.exec(name) ?? [];
    if (end === undefined) continue;
    const path = join(folder, name);
    const taken = join(folder, `${update}.taken`);
    try {
      if (end === 'refused') {
        if (now - statSync(path).mtimeMs > UNREAD_MS) rmSync(path, { force: true });
        continue;
      }
      if (end === 'json') renameSync(path, taken);
      found.push({ update, text: readFileSync(taken, 'utf8') });
    } catch (error) {
      // Withdrawn in this moment.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return found;
}

/** It is in the journal, or refused: the file has done its work. */
export function orderIsTaken(folder: string, update: string, refusal?: Problem): void {
  if (refusal) writeDurably(join(folder, `${update}.refused`), `${JSON.stringify(refusal)}\n`, 0o600);
  rmSync(join(folder, `${update}.taken`), { force: true });
  syncFolder(folder);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
