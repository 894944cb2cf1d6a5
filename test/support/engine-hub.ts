import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createOutbox } from '../../src/chat/outbox.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { createBackupReader } from '../../src/gateway/backup-reader.ts';
import { createLogReader, type LogReader } from '../../src/gateway/log-reader.ts';
import { createAnnouncer } from '../../src/rollout/announce.ts';
import { createEngine, type Engine } from '../../src/rollout/engine.ts';
import { createTelling } from '../../src/rollout/telling.ts';
import { rememberAdminChat } from '../../src/store/admin-chats.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { createFakeChat, type FakeChat } from './fake-chat.ts';
import { machineClock as clock, startTestHub, type TestHub } from './hub-and-link.ts';
import { createSettings } from './settings.ts';

/** Gateway, engine, store and outbox as the hub wires them, behind a real socket. */
export interface EngineHub extends TestHub {
  readonly store: OpenStore;
  readonly engine: Engine;
  readonly logs: LogReader;
  /** Asks for an update, as a person in a chat does; answers its id. */
  ask(device: string, app?: string, more?: { readonly approval?: 'second' }): Promise<string>;
  /** Messages with the final answer of an update. */
  answers(update: string): { readonly title: string; readonly text: string }[];
}

/** @param chat outlives hubs, as a platform does */
export async function startEngineHub(home: string, chat: FakeChat = createFakeChat()): Promise<EngineHub> {
  const store = await openStore(join(home, 'hub.db'));
  const { db } = store;
  const random = (length: number) => randomBytes(length);
  const lines: string[] = [];
  const log = (line: string) => {
    lines.push(line);
    if (lines.length > 5_000) lines.splice(0, 2_500);
  };
  const settings = createSettings();
  const outbox = createOutbox({
    ...{ db, clock, adapters: [chat], redact: createRedactor(), log },
    random: () => 0,
    onLost: (trx, lost) => telling.lost(trx, lost),
  });
  const announcer = createAnnouncer({ outbox, settings, platforms: ['fake'] });
  const telling = createTelling({ outbox, announcer, roleOf: () => 'admin' });
  const gateway = () => hub.gateway;
  const engine = createEngine({
    ...{ db, clock, random, outbox, telling, announcer, settings, gateway, log },
    onMissing: async () => undefined,
  });
  const logs = createLogReader(gateway, random);
  const backups = createBackupReader(gateway, random);
  const hub = await startTestHub(
    {},
    {
      home,
      log: lines,
      events: {
        connected: (peer) => engine.connected(peer),
        disconnected: (peer, epoch, why) => engine.disconnected(peer, epoch, why),
        async message(peer, epoch, message) {
          hub.heard.push({ device: peer.device, epoch, message });
          if (hub.heard.length > 2_000) hub.heard.splice(0, 1_000);
          if (message.type === 'log') logs.answer(peer.device, message);
          else if (message.type === 'backups') backups.answer(peer.device, message);
          else await engine.received(peer, epoch, message);
        },
      },
    },
  );
  await rememberAdminChat(db, { route: { platform: 'fake', chat: 'admins' }, language: undefined, at: clock.now() });
  await engine.start();
  outbox.start();
  let events = 0;
  return {
    ...hub,
    ...{ store, engine, logs },
    ask: (device, app = 'web', more = {}) =>
      engine.begin({
        ...{ app, device, kind: 'update', fromVersion: '1.0.0', toVersion: '1.1.0', ...more },
        release: { version: '1.1.0', channel: 'stable', digest: `sha256-${'a'.repeat(43)}=` },
        ...{ withData: false, force: false, requestedBy: 'fake:ann', requestedByName: 'Ann', language: 'en' },
        route: JSON.stringify({ platform: 'fake', chat: 'room', thread: 'thread-1' }),
        eventId: `event-${clock.now()}-${events++}`,
      }),
    answers: (update) =>
      chat.shown
        .filter(({ key }) => key === `${update}/final`)
        .map(({ message }) => ({ title: message.reply.title, text: JSON.stringify(message.reply) })),
    async stop() {
      await engine.stop();
      await hub.stop();
      await outbox.stop();
      await store.close();
    },
  };
}
