import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { takeLock } from '../../../agent/keeper/lock.ts';
import { accountId } from '../../domain/person.ts';
import { makeFolder } from '../../files/durable.ts';
import { unusedPersonId } from '../../people/work.ts';
import { rememberAdminChat } from '../../store/admin-chats.ts';
import { addAudit } from '../../store/audit.ts';
import { openStore } from '../../store/open.ts';
import { addPerson, giveAccount, hasAdmin, personOfAccount, setRole } from '../../store/people.ts';
import { machineClock } from '../npm-tools.ts';
import type { ChatPlatform, Saying } from './contract.ts';
import type { Heard } from './hear.ts';
import { agrees } from './prompts.ts';
import { command, runningHub } from './running-hub.ts';

/**
 * Who wrote the test message may become the hub's first admin. Anybody may write to a bot, so a person at the hub's
 * machine says whether that was them; in a pipe nobody can, and there is `fettle claim`.
 */
export async function offerAdmin(platform: ChatPlatform, heard: Heard, at: Saying): Promise<void> {
  const { layout, prompts, say, signal } = at;
  const hub = await runningHub(layout);
  // What another user wrote beside the database could lock the hub out of it.
  const mine = hub !== undefined || ownerOf(layout.home) === process.geteuid?.();
  const open = hub ? hub.unclaimed === true : !mine || !(await isClaimed(at));
  const account = accountId({ platform, person: heard.person });
  if (!open) {
    say(`This hub has an admin, who can give a role: /admin add ${account} operator`);
    return;
  }
  const name = heard.name ?? heard.person;
  if (prompts && mine && (await agrees(prompts, `Was that you? Make ${name} (${account}) the first admin?`, false))) {
    if (hub) {
      const answer = await command(layout, `/admin add ${account} admin`, signal);
      signal.throwIfAborted();
      for (const line of answer?.lines ?? ['The hub did not answer in time.']) say(answer?.failed ? `! ${line}` : line);
    } else {
      await makeAdmin(platform, heard, at);
      say(`${name} is an admin of this hub.`);
    }
    return;
  }
  say('To give commands there, become an admin: `fettle claim` prints what to send to the bot, in a direct message.');
}

function ownerOf(home: string): number | undefined {
  return existsSync(home) ? statSync(home).uid : process.geteuid?.();
}

async function isClaimed({ layout }: Saying): Promise<boolean> {
  if (!existsSync(layout.hub.db)) return false;
  const store = await openStore(layout.hub.db);
  try {
    return await hasAdmin(store.db);
  } finally {
    await store.close();
  }
}

/** With no hub that could be asked, by its lock. @throws {FettleError} `home_in_use` where one is starting */
async function makeAdmin(platform: ChatPlatform, { person, name, chat, direct }: Heard, { layout }: Saying) {
  makeFolder(layout.hub.dir);
  const lock = takeLock(layout.hub.lock);
  const store = await openStore(layout.hub.db);
  try {
    await store.db.transaction().execute(async (trx) => {
      const now = machineClock.now();
      const account = { platform, person };
      const known = await personOfAccount(trx, account);
      const id = known?.person ?? (await unusedPersonId(trx, (length) => randomBytes(length)));
      if (known) await setRole(trx, known, 'admin', now);
      else {
        await addPerson(trx, { id, name: name ?? person, role: 'admin', now });
        await giveAccount(trx, { ...account, name }, id, now);
      }
      const target = [name ?? person, accountId(account)].join('\n');
      const entry = { at: now, by: 'terminal:local', byName: 'local', action: 'role', target, after: 'admin' };
      await addAudit(trx, { ...entry, before: known?.role });
      // News goes to a chat of admins, as after a claim.
      if (direct) {
        const seen = { route: { platform, chat, direct }, language: undefined, account: accountId(account), at: now };
        await rememberAdminChat(trx, seen);
      }
    });
  } finally {
    await store.close();
    lock.release();
  }
}
