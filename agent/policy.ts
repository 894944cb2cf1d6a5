import type { AgentConfig, AppConfig } from '../config/agent-schema.ts';
import { isSelf } from '../src/domain/app.ts';
import { FettleError } from '../src/domain/errors.ts';
import type { Order } from '../src/protocol/messages.ts';
import { openSeenOrders } from './seen-orders.ts';
import { admitSource } from './source-of.ts';

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

/**
 * @param self Fettle's own apps that are here; their releases come from where the file says, like any other's
 * @param fromHere is the hub on this machine?
 * @param ordersFile order ids that were taken, kept until they expire, so that none is taken twice
 */
export function createPolicy(
  config: Pick<AgentConfig, 'apps'>,
  self: Readonly<Record<string, AppConfig>>,
  device: string,
  ordersFile: string,
  monotonic: () => number = () => performance.now(),
  fromHere: () => boolean = () => false,
): Policy {
  const seen = openSeenOrders(ordersFile, monotonic);
  const appOf = (name: string) => {
    const apps = isSelf(name) ? self : config.apps;
    return Object.hasOwn(apps, name) ? apps[name] : undefined;
  };
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
      // Before it is judged: what was denied once is not judged again, whatever the file says by then.
      seen.take(order, hubNow);
      if (order.device !== device) throw denied(name, 'an order for another device');
      const app = appOf(name);
      if (!app) throw denied(name, `the app ${name}`);
      checkCapability(order, app, name);
      if (order.kind === 'install' || order.kind === 'update') {
        admitSource(name, app, order.release, fromHere);
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
