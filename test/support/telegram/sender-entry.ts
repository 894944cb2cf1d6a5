import { createTelegramAdapter } from '../../../adapters/telegram/adapter.ts';
import { createOutbox } from '../../../src/chat/outbox.ts';
import { keepCommand } from '../../../src/store/button-commands.ts';
import { readMeta, writeMeta } from '../../../src/store/meta.ts';
import { openStore } from '../../../src/store/open.ts';
import { FAST } from './timings.ts';

/**
 * A process that does nothing but send: the real store, the real outbox, the real adapter. It tells each chat `message 0`,
 * `message 1`, … without end, goes on where it was when it was killed, and is killed by its test.
 *
 * Arguments: the database, the address, the token, and chats with commas between.
 */

const [file = '', api = '', token = '', chats = ''] = process.argv.slice(2);
const { db } = await openStore(file);
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const log = (event: string, data: Readonly<Record<string, unknown>>) => {
  if (event === 'telegram_lost_message') console.log(JSON.stringify(data));
};
const deps = { commands: [], clock, random: () => 0.5, log, environment: {} };
const adapter = createTelegramAdapter({ token, api }, deps, { ...FAST, settleMs: 150 });
const outbox = createOutbox({ ...deps, db, adapters: [adapter], redact: (text) => text });
outbox.start();
await adapter.start({
  accept: async () => 'stored',
  deliverable: () => outbox.deliverable('telegram'),
  answersTo: async () => [],
  complete: async () => [],
  connectionChanged: () => undefined,
  shorten: (command) => keepCommand(db, command, clock.now()),
  expand: async () => undefined,
  memory: { get: (key) => readMeta(db, key), set: (key, value) => writeMeta(db, key, value) },
});
for (;;) {
  const n = Number((await readMeta(db, 'n')) ?? 0);
  await db.transaction().execute(async (trx) => {
    for (const chat of chats.split(',')) {
      const reply = { tone: 'info', title: `message ${n}` } as const;
      const route = { platform: 'telegram', chat };
      await outbox.put(trx, { key: `${n}/${chat}`, route, reply, final: true, failed: false, now: clock.now() });
    }
    await writeMeta(trx, 'n', String(n + 1));
  });
  outbox.wake();
  await new Promise((resolve) => setTimeout(resolve, 15));
}
