import { afterAll, expect, test } from 'vitest';
import { COMMANDS } from '../../src/commands/index.ts';
import { ROLES, type Role } from '../../src/domain/app.ts';
import { ask, claim, DAY, device, hub, MINUTE, pass, start, usePeopleHub } from '../support/people-hub.ts';

/** What an attacker gets who has somebody's account in a chat: each command is tried by each role. A table with `FETTLE_PRINT=1`. */

usePeopleHub();

const ANN = 'telegram:11';
const lines: string[] = [];
afterAll(() => {
  if (process.env.FETTLE_PRINT) process.stdout.write(`${lines.join('\n')}\n`);
});

/** Whatever a command could change. What is noted of people who speak and of refusals is not among it. */
async function changed(): Promise<string> {
  const { db } = hub.store;
  const tables = await Promise.all([
    db.selectFrom('updates').selectAll().execute(),
    db.selectFrom('people').select(['id', 'role']).execute(),
    db.selectFrom('app_settings').selectAll().execute(),
    db.selectFrom('skipped_releases').selectAll().execute(),
    db.selectFrom('device_keys').selectAll().execute(),
    db.selectFrom('enrol_tokens').selectAll().execute(),
    db.selectFrom('person_codes').select(['seq', 'ended']).execute(),
    db.selectFrom('audit').selectAll().where('action', '!=', 'command').execute(),
  ]);
  return JSON.stringify([tables, device.orders]);
}

test.each<[Role | 'nobody', string]>([
  ['nobody', 'discord:99'],
  ['viewer', 'discord:20'],
  ['operator', 'discord:21'],
])('an account of %s: no more than the role', { timeout: 120_000 }, async (role, account) => {
  await start('none', { real: true });
  await claim(ANN, 'Ann');
  if (role !== 'nobody') await ask(ANN, `/admin add ${account} ${role}`);
  await pass(DAY + MINUTE);
  const beyond = COMMANDS.filter(
    (command) => !command.open && (role === 'nobody' || ROLES.indexOf(command.role) > ROLES.indexOf(role)),
  );
  expect(beyond.length).toBeGreaterThan(role === 'operator' ? 8 : 12);
  const before = await changed();
  for (const { name, examples } of beyond) {
    for (const { text } of examples.length > 0 ? examples : [{ text: `/${name}` }]) {
      // Strangers are answered once an hour.
      if (role === 'nobody') await pass(61 * MINUTE);
      const { title } = await ask(account, text.replace('robot-7', 'this-machine'));
      expect(`${text}: ${title}`).toMatch(
        role === 'nobody' ? /: (Hello|您好)$/ : /: (This needs the role|需要 \w+ 角色)/,
      );
      await pass(MINUTE);
    }
  }
  expect(await changed()).toBe(before);
  lines.push(`${role.padEnd(9)} ${beyond.length} of ${COMMANDS.length} commands refused, nothing changed, no order`);
});
