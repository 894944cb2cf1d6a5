import { createTerminalAdapter } from '../../adapters/terminal/index.ts';
import { createOutbox, type Outbox } from '../../src/chat/outbox.ts';
import { progressCard } from '../../src/chat/render-progress.ts';
import { endedBadly, finalCard } from '../../src/chat/render-update.ts';
import { createRouter } from '../../src/chat/router.ts';
import { COMMANDS, createCommandTable } from '../../src/commands/index.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { isFinal } from '../../src/domain/update.ts';
import { openStore } from '../../src/store/open.ts';
import type { FakeUpdate, World } from './services.ts';

/** A hub's chat core, as main wires it, around a {@link World}: store, router, outbox, terminal. */
export interface HubCore {
  readonly outbox: Outbox;
  readonly log: string[];
  stop(): Promise<void>;
}

export async function startHubCore(options: { world: World; db: string; socket: string }): Promise<HubCore> {
  const { world } = options;
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const store = await openStore(options.db);
  const log: string[] = [];
  const note = (event: string, data: Readonly<Record<string, unknown>>) =>
    void log.push(`${event} ${JSON.stringify(data)}`);
  const terminal = createTerminalAdapter({
    socket: options.socket,
    now: clock.now,
    status: async () => ({ version: '0.1.0', pid: process.pid, ready: true, waitingFor: [], apps: [] }),
    log: note,
    editIntervalMs: 30,
  });
  const redact = createRedactor();
  const outbox = createOutbox({ db: store.db, clock, adapters: [terminal], redact, random: Math.random, log: note });
  const router = createRouter({
    db: store.db,
    clock,
    commands: createCommandTable({ commands: COMMANDS, services: world.services }),
    outbox,
    roleOf: (platform) => (platform === 'terminal' ? 'admin' : undefined),
    language: () => 'en',
    rateOf: () => undefined,
    redact,
    log: note,
  });

  // One after the other, as an engine's transactions are.
  let telling = Promise.resolve();
  let open = true;
  const tell = (update: FakeUpdate) => {
    telling = telling.then(async () => {
      if (!open) return;
      const { id, route, language, eventId: answers } = update;
      await store.db.transaction().execute(async (trx) => {
        const now = clock.now();
        const card = progressCard(update, language);
        await outbox.put(trx, { key: `${id}/card`, route, reply: card, answers, final: false, failed: false, now });
        if (!isFinal(update.state)) return;
        const reply = finalCard(update.outcome, update, language, { admin: true });
        const failed = endedBadly(update.state);
        await outbox.put(trx, { key: `${id}/final`, route, reply, answers, final: true, failed, now });
      });
      outbox.wake();
    });
  };
  world.onChange = tell;
  await router.start();
  outbox.start();
  await terminal.start(router.sink('terminal'));
  for (const update of world.updates.values()) tell(update);

  return {
    outbox,
    log,
    async stop() {
      world.onChange = () => undefined;
      await terminal.stop();
      await router.stop();
      await telling;
      open = false;
      await outbox.stop();
      await store.close();
    },
  };
}
