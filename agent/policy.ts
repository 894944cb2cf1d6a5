import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentConfig, AppConfig } from '../config/agent-schema.ts';
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
   * @throws {FettleError} `capability_denied` · `order_expired` · `order_replayed`
   */
  admit(order: Order, hubNow: number): AppConfig;
  app(name: string): AppConfig | undefined;
  readonly apps: Readonly<Record<string, AppConfig>>;
}

const Seen = z.record(z.string(), z.number());

/** @param ordersFile order ids that were taken, kept until they expire, so that none is taken twice */
export function createPolicy(config: AgentConfig, device: string, ordersFile: string): Policy {
  let seen = readSeen(ordersFile);
  return {
    apps: config.apps,
    app: (name) => (Object.hasOwn(config.apps, name) ? config.apps[name] : undefined),
    admit(order, hubNow) {
      const app = Object.hasOwn(config.apps, order.app) ? config.apps[order.app] : undefined;
      if (order.device !== device || !app) throw new FettleError('capability_denied', { data: { app: order.app } });
      if (order.kind === 'install' || order.kind === 'update') {
        if (!app.source || !order.release) throw new FettleError('capability_denied', { data: { app: order.app } });
      }
      if (hubNow > order.expiresAt || hubNow < order.notBefore - 60_000) {
        throw new FettleError('order_expired', { data: { app: order.app }, retryable: true });
      }
      if (seen[order.id] !== undefined) throw new FettleError('order_replayed', { data: { app: order.app } });
      seen = Object.fromEntries([
        ...Object.entries(seen).filter(([, expires]) => expires > hubNow),
        [order.id, order.expiresAt],
      ]);
      writeDurably(ordersFile, `${JSON.stringify(seen)}\n`);
      return app;
    },
  };
}

function readSeen(file: string): Record<string, number> {
  if (!existsSync(file)) return {};
  try {
    return Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
