import type { Kysely } from 'kysely';
import type { DeviceNews } from '../chat/messages/devices.ts';
import type { Outbox } from '../chat/outbox.ts';
import { deviceCard } from '../chat/render-device.ts';
import type { Asker } from '../commands/index.ts';
import { isSelected, readSelector } from '../domain/device.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock, RandomBytes } from '../domain/id.ts';
import type { Language, Route } from '../domain/reply.ts';
import type { Announcer } from '../rollout/announce.ts';
import type { AuditEntry } from '../store/audit.ts';
import { type DeviceKey, listDeviceKeys } from '../store/device-keys.ts';
import type { Database } from '../store/schema.ts';

/** What the parts of `devices.ts` share. */

/** Where devices find the hub, and how they know it. */
export interface Reach {
  /** `wss://HOST:PORT/agent` */
  readonly address: string;
  /** `sha256/BASE64` of a certificate that no authority vouches for. */
  readonly certificate: string | undefined;
}

export interface DevicesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: RandomBytes;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly outbox: Pick<Outbox, 'wake'>;
  readonly reach: () => Reach;
  /** The hub's public key, SPKI PEM. */
  readonly hubKey: () => string;
  /** Of the agent in the hub's own home; `undefined` before it has started. */
  readonly local: () => { readonly device: string; readonly publicKey: string; readonly name: string } | undefined;
  /** A device may not go on: its connection ends. */
  readonly onBarred: (device: string, state: 'held' | 'revoked') => void;
  /** It will not be heard of again: what runs on it is over. */
  readonly onLost: (device: string, name: string) => Promise<void>;
  readonly log: (line: string) => void;
}

export interface DevicesWork extends DevicesDeps {
  /** Work of one event in one transaction. */
  change<T>(work: (trx: Kysely<Database>, now: number) => Promise<T>): Promise<T>;
  entry(asker: Asker, now: number, what: Pick<AuditEntry, 'action' | 'target' | 'before' | 'after'>): AuditEntry;
  /** Tells every admin's chat. @param key unique for ever */
  tell(trx: Kysely<Database>, key: string, news: DeviceNews, now: number, except?: Route): Promise<void>;
}

export function workOf(deps: DevicesDeps): DevicesWork {
  return {
    ...deps,
    async change(run) {
      const result = await deps.db.transaction().execute((trx) => run(trx, deps.clock.now()));
      deps.outbox.wake();
      return result;
    },
    entry: ({ who, route, eventId }, at, what) => ({ at, by: who.id, byName: who.name, route, eventId, ...what }),
    async tell(trx, key, news, now, except) {
      const reply = (language: Language) => deviceCard(news, language);
      await deps.announcer.announce(trx, { key, about: 'always', reply, except, now });
    },
  };
}

/**
 * The device that a name or an id means; one that is revoked only by its id, or where no other has the name.
 *
 * @throws {FettleError} `unknown_device`
 */
export async function findNamed(trx: Kysely<Database>, typed: string): Promise<DeviceKey> {
  const keys = await listDeviceKeys(trx);
  const selector = readSelector(typed);
  const named = { by: 'name', name: selector.by === 'name' ? selector.name : typed } as const;
  const found = keys.find((key) => isSelected(named, { id: key.device, name: key.name, labels: key.labels }));
  if (found) return found;
  const known = keys.filter(({ state }) => state !== 'revoked').map(({ name }) => name);
  throw new FettleError('unknown_device', { data: { typed: typed.slice(0, 60), known: known.slice(0, 10) } });
}

/** Is the name another device's? */
export function isTakenIn(keys: readonly DeviceKey[], except?: string): (name: string) => boolean {
  const taken = new Set(
    keys.filter(({ state, device }) => state !== 'revoked' && device !== except).map(({ name }) => name.toLowerCase()),
  );
  return (name) => taken.has(name.toLowerCase());
}
