import { expect } from 'vitest';
import type { Request } from '../../src/chat/contract.ts';
import { ask, audit, claim, DAY, MINUTE, pass, SECOND, shownIn, start, tell, updates } from './people-hub.ts';

/** Two people and an app whose updates wait for approval: what tests of approvals share. */

export const ANN = 'telegram:11';
export const BOB = 'discord:22';

/** Ann is an admin and Bob an operator, both for longer than a day. */
export async function team(mode: 'none' | 'confirm' | 'second'): Promise<void> {
  await start(mode);
  await claim(ANN, 'Ann');
  await ask(ANN, `/admin add ${BOB} operator`);
  await ask(BOB, '/help', { name: 'Bob' });
  await pass(DAY + MINUTE);
}

/** Asks for the update, and waits for the question. */
export async function asked(who = ANN): Promise<{ event: Request; id: string }> {
  const event = await tell(who, '/update now web');
  await pass(2 * SECOND);
  const row = (await updates()).at(-1);
  expect(row?.state).toBe('approving');
  return { event, id: row?.id ?? '' };
}

export async function idOf(): Promise<string> {
  return (await updates()).at(-1)?.id ?? '';
}

export const state = async () => (await updates()).map((row) => row.state);
export const actions = async () =>
  (await audit()).filter(({ action }) => /^(approv|reject)/.test(action)).map(({ action, by }) => `${action} ${by}`);
export const question = (chat: 'telegram' | 'terminal' | 'discord') =>
  shownIn(chat).find(({ title }) => title.startsWith('May web go to 1.1.0'));
