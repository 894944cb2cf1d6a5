import { expect, test } from 'vitest';
import { registryAnswers } from '../support/home.ts';
import { ownApp } from '../support/own-app.ts';

const all = process.env.FETTLE_OWN_APPS === 'all' && (await registryAnswers());
const needsRegistry = all ? test : test.skip;
if (!all) console.warn('not run: taking over real packages (FETTLE_OWN_APPS=all, and an npm registry that answers)');

/** `fettle init`, `/update now`, `/update rollback`, `fettle init --undo`, as a user types them. */
async function expectTakenOver(kind: Parameters<typeof ownApp>[0]): Promise<void> {
  const { answers, lines, minutes, same, from, to } = await ownApp(kind);
  console.log(`${kind}: ${from} → ${to}, ${lines} lines, ${minutes.toFixed(2)} minutes`);
  expect(answers[0]).toContain('is back online');
  expect(answers[1]).toContain(from);
  expect(to).not.toBe(from);
  expect(lines).toBeLessThanOrEqual(15);
  expect(minutes).toBeLessThan(5);
  expect(same).toBe(true);
}

test('a checkout that runs by hand: its next commit, back, and as it was', { timeout: 120_000 }, () =>
  expectTakenOver('checkout'),
);
needsRegistry('a server that npm installed', { timeout: 120_000 }, () => expectTakenOver('package'));
needsRegistry('an executable', { timeout: 120_000 }, () => expectTakenOver('binary'));
