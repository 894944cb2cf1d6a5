import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentConfig, AppConfig } from '../config/agent-schema.ts';
import { isSelf } from '../src/domain/app.ts';
import { FettleError } from '../src/domain/errors.ts';
import { writeDurably } from '../src/files/durable.ts';
import type { Order } from '../src/protocol/messages.ts';

/**
 * The device decides: an order is looked at against the device's own file, and what that file does not name does
 * not exist. The hub's word is never enough.
 */
export interface Policy {
  /**
   * The app's configuration, if the order may be carried out at all.
   * @throws {FettleError} `capability_denied {app, what}` · `order_expired` · `order_replayed` · `not_restorable` · `busy`
   */
  admit(order: Order, hubNow: number): AppConfig;
  /**
   * The same for an order that was given on this device: who may do that may change the file, too. It does not expire.
   * @throws {FettleError} `capability_denied` · `not_restorable`
   */
  admitLocal(order: Order): AppConfig;
  app(name: string): AppConfig | undefined;
  /** The apps of the file. Fettle's own are not in it. */
  readonly apps: Readonly<Record<string, AppConfig>>;
}

/** Clocks of hub and device may differ by so much. Milliseconds. */
const EARLY_MS = 60_000;
/** Hubs give five minutes. */
const LONGEST_MS = 24 * 60 * 60_000;
/** Orders that are remembered at once. */
const MOST_IDS = 10_000;

const Seen = z.record(z.string(), z.number());

/**
 * @param self Fettle's own apps that are here; their releases come from where the file says, like any other's
 * @param ordersFile order ids that were taken, kept until they expire, so that none is taken twice
 */
export function createPolicy(
  config: Pick<AgentConfig, 'apps'>,
  self: Readonly<Record<string, AppConfig>>,
  device: string,
  ordersFile: string,
): Policy {
  let seen = readSeen(ordersFile);
  const appOf = (name: string) => {
    const apps = isSelf(name) ? self : config.apps;
    return Object.hasOwn(apps, name) ? apps[name] : undefined;
  };
  /** @throws {FettleError} `order_replayed` · `capability_denied` · `busy` */
  function remember({ id, app, expiresAt }: Order, hubNow: number): void {
    if (seen[id] !== undefined) throw new FettleError('order_replayed', { data: { app } });
    const left = Object.entries(seen).filter(([, expires]) => expires > hubNow);
    // Whoever gives orders must not fill the disk with their ids.
    if (expiresAt > hubNow + LONGEST_MS) throw denied(app, 'an order that is good for more than a day');
    if (left.length >= MOST_IDS) throw new FettleError('busy', { data: { app }, retryable: true });
    seen = Object.fromEntries([...left, [id, expiresAt]]);
    writeDurably(ordersFile, `${JSON.stringify(seen)}\n`);
  }

  return {
    apps: config.apps,
    app: appOf,
    admitLocal(order) {
      const app = appOf(order.app);
      if (!app || order.release) throw new FettleError('capability_denied', { data: { app: order.app } });
      if (isSelf(order.app) && order.kind === 'restore') {
        throw new FettleError('not_restorable', { data: { app: order.app } });
      }
      return app;
    },
    admit(order, hubNow) {
      const { app: name } = order;
      if (hubNow > order.expiresAt || hubNow < order.notBefore - EARLY_MS) {
        throw new FettleError('order_expired', { data: { app: name }, retryable: true });
      }
      // Before it is judged: what was denied once is not judged again, whatever the file says by then.
      remember(order, hubNow);
      if (order.device !== device) throw denied(name, 'an order for another device');
      const app = appOf(name);
      if (!app) throw denied(name, `the app ${name}`);
      checkCapability(order, app, name);
      if (order.kind === 'install' || order.kind === 'update') {
        if (!app.source) throw denied(name, `updates of ${name}, which has no source`);
        if (!order.release) throw denied(name, 'an update to no release');
      }
      // A hub that goes back to an old database answers a second time what it has answered.
      if (isSelf(name) && (order.kind === 'install' || order.kind === 'restore')) {
        throw new FettleError('not_restorable', { data: { app: name } });
      }
      return app;
    },
  };
}

/** What an order says that it is for can only be less than what the file allows. */
function checkCapability({ capability }: Order, config: AppConfig, app: string): void {
  if (!capability) return;
  if (capability.app !== app) throw denied(app, `an order for ${capability.app} in the name of ${app}`);
  const [tool] = capability.tools;
  if (tool !== undefined) throw denied(app, `the tool ${tool.slice(0, 80)} within an update`);
  for (const path of capability.paths) {
    const parts = path.split('/');
    const inside = config.keep.some((kept) => path === kept || path.startsWith(`${kept}/`));
    if (!inside || parts.some((part) => part === '..' || part === '.' || part === '')) {
      throw denied(app, `the path ${path.slice(0, 200)}`);
    }
  }
}

function denied(app: string, what: string): FettleError {
  return new FettleError('capability_denied', { data: { app, what } });
}

function readSeen(file: string): Record<string, number> {
  if (!existsSync(file)) return {};
  try {
    return Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
