import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openAuditLog } from '../../agent/audit/log.ts';
import { createOrderAudit } from '../../agent/audit/orders.ts';
import { createAuditTelling } from '../../agent/audit/telling.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import type { Reply } from '../../src/domain/reply.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { openKey } from '../../src/protocol/key.ts';
import type { AgentMessage, Order, Outcome } from '../../src/protocol/messages.ts';
import { createDeviceAudit } from '../../src/rollout/device-audit.ts';
import { rowFor } from '../../src/rollout/new-update.ts';
import { auditOrder, orderOf } from '../../src/rollout/order.ts';
import { connectDevice } from '../../src/store/devices.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { addUpdate, moveUpdate } from '../../src/store/updates.ts';

/**
 * A hub's database and the logs of devices, with everything between them that audits: real SQLite, real files. Messages go
 * through JSON, one after the other; what a network does to them, a test says.
 */

const now = () => Date.now();
const clock = { now, monotonic: () => performance.now() };

export interface AuditHub {
  readonly layout: HomeLayout;
  readonly store: OpenStore;
  /** What the admins were told. */
  readonly told: Reply[];
  /** The same in Chinese. */
  readonly toldInChinese: Reply[];
  /** The hub's process ends, its files stay; and it is there again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface AuditDevice {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  /** Starts the agent anew on what is in its file. */
  restart(): void;
  /** Tells the hub everything that it lacks. */
  tell(): Promise<void>;
  /** The hub sends an order for one update; the device takes it, carries it out, and tells. */
  update(app: string, options?: UpdateOptions): Promise<string>;
  /** An order comes that this hub did not send: somebody else holds its key. */
  forged(app: string): void;
  lines(): string[];
  write(lines: readonly string[]): void;
}

export interface UpdateOptions {
  /** It never arrives. */
  readonly lost?: boolean;
  /** It is refused. */
  readonly denied?: string;
  readonly state?: Outcome['state'];
  /** What the device says to the hub, where that is not what it wrote down. */
  readonly says?: Outcome['state'];
  /** Nothing is told of its end. */
  readonly open?: boolean;
}

export async function makeAuditHub(): Promise<
  AuditHub & { device(name: string): Promise<AuditDevice>; close(): Promise<void> }
> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-audit-world-'));
  const layout = homeLayout(join(folder, 'home'), join(folder, 'run'));
  makeFolder(layout.hub.dir);
  const key = openKey(layout.hub.key).publicKey;
  const told: Reply[] = [];
  const toldInChinese: Reply[] = [];
  let store = await openStore(layout.hub.db);
  let made = 0;

  function taker(send: (message: Parameters<ReturnType<typeof createAuditTelling>['acknowledged']>[0]) => void) {
    return createDeviceAudit({
      db: store.db,
      clock,
      announcer: {
        async announce(_, { reply }) {
          told.push(reply('en', 'UTC'));
          toldInChinese.push(reply('zh', 'UTC'));
          return true;
        },
      },
      outbox: { wake: () => undefined },
      gateway: () => ({
        send(_, message) {
          if (message.type === 'audit-ack') send(JSON.parse(JSON.stringify(message)));
          return true;
        },
      }),
      log: () => undefined,
    });
  }

  async function device(name: string): Promise<AuditDevice> {
    const id = `d-${name}`;
    const file = join(folder, name, 'agent', 'audit.log');
    const open = () => openAuditLog({ path: file, device: id, now, redact: createRedactor(), log: () => undefined });
    let log = open();
    let orders = createOrderAudit(log, clock);
    await connectDevice(store.db, { id, name, platform: 'linux-x64', version: '0.1.0' }, now());

    async function tell(): Promise<void> {
      const queue: AgentMessage[] = [];
      const telling = createAuditTelling({ log, clock, send: (message) => queue.push(message) });
      const hub = taker((ack) => telling.acknowledged(ack));
      telling.connected();
      for (let i = 0; queue.length > 0; i += 1) {
        if (i > 2_000) throw new Error('it is told for ever');
        const message = JSON.parse(JSON.stringify(queue.shift())) as AgentMessage;
        if (message.type === 'audit') await hub.received({ device: id, name }, message);
      }
    }

    async function update(app: string, options: UpdateOptions = {}): Promise<string> {
      made += 1;
      const update = `u-${name}${made}`;
      const at = now();
      const row = rowFor(
        update,
        {
          ...{
            app,
            device: id,
            kind: 'update',
            fromVersion: '1.0.0',
            toVersion: '1.1.0',
            withData: false,
            force: false,
          },
          release: { version: '1.1.0', channel: 'stable', digest: 'sha256-x' },
          ...{ requestedBy: 'telegram:1', requestedByName: 'Ann', route: null, eventId: `e-${made}`, language: 'en' },
        },
        at,
      );
      const message = orderOf(row, { id: `o-${randomBytes(5).toString('hex')}`, now: at, backup: true });
      const link = await store.db.transaction().execute(async (trx) => {
        await addUpdate(trx, row, 'person');
        await moveUpdate(trx, { id: update, from: ['requested'], to: 'queued', at, actor: 'hub' });
        const patch = { order_id: message.order.id };
        await moveUpdate(trx, { id: update, from: ['queued'], to: 'sent', at, actor: 'hub', patch });
        return auditOrder(trx, message, at);
      });
      const text = JSON.stringify({ ...message, log: link });
      if (options.lost) return update;
      const sent = { text, frame: text, key, log: link };
      if (options.denied !== undefined) orders.refused(message.order, options.denied, sent);
      else orders.taken(message.order, sent);
      const state = options.denied === undefined ? (options.state ?? 'succeeded') : 'failed';
      const outcome = { update, app, kind: 'update', state, startedAt: at, endedAt: at } as const;
      if (options.denied === undefined) orders.done({ type: 'outcome', outcome });
      if (!options.open) {
        const to = options.says ?? state;
        const actor = options.denied === undefined ? 'agent' : 'hub';
        await store.db
          .transaction()
          .execute((trx) => moveUpdate(trx, { id: update, from: ['sent'], to, at, actor, patch: {} }));
      }
      return update;
    }

    return {
      id,
      name,
      file,
      restart() {
        log = open();
        orders = createOrderAudit(log, clock);
      },
      tell,
      update,
      forged(app) {
        const order: Order = {
          ...{ id: 'o-forged', update: 'u-forged', device: id, app, kind: 'update', withData: false, backup: true },
          ...{ force: false, notBefore: 0, expiresAt: now() + 1_000 },
        };
        const text = JSON.stringify({ type: 'order', order });
        orders.taken(order, { text, frame: text, key });
      },
      lines: () => readFileSync(file, 'utf8').split('\n').slice(0, -1),
      write(lines) {
        makeFolder(dirname(file));
        writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
      },
    };
  }

  return {
    layout,
    told,
    toldInChinese,
    get store() {
      return store;
    },
    device,
    stop: () => store.close(),
    async start() {
      store = await openStore(layout.hub.db);
    },
    async close() {
      await store.close().catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
