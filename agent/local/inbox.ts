import { chmodSync, type FSWatcher, watch } from 'node:fs';
import { FettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { Order, Problem } from '../../src/protocol/messages.ts';
import { LocalOrder, orderIsTaken, orderOf, ordersToTake } from './order-file.ts';

/** Takes orders that are given on this device. */
export interface LocalInbox {
  /** Takes what lies there, and from now on what comes. */
  start(): void;
  /** Takes what lies there: also for who does not trust that each change of a folder is told. Never throws. */
  look(): void;
  stop(): void;
}

export function createLocalInbox(deps: {
  readonly folder: string;
  readonly device: string;
  readonly now: () => number;
  /** In the journal when it returns. @throws {FettleError} where it is refused */
  readonly take: (order: Order) => void;
  readonly problemOf: (error: unknown, app: string) => Problem;
  readonly log: (line: string) => void;
}): LocalInbox {
  const { folder, log } = deps;
  let watcher: FSWatcher | undefined;

  function takeOne(update: string, text: string): void {
    let app = '';
    try {
      const order = read(text);
      app = order.app;
      if (order.update !== update)
        throw new FettleError('protocol_violation', { data: { reason: 'it has another id' } });
      log(`${update} ${app}: ${order.kind} is asked for on this device by ${order.by}`);
      deps.take(orderOf(order, deps.device));
      orderIsTaken(folder, update);
    } catch (error) {
      log(`${update} ${app}: refused: ${String(error)}`);
      orderIsTaken(folder, update, deps.problemOf(error, app));
    }
  }

  const inbox: LocalInbox = {
    start() {
      try {
        makeFolder(folder, 0o700);
        // Whoever may write here may give orders.
        chmodSync(folder, 0o700);
        watcher = watch(folder, () => inbox.look());
        watcher.on('error', (error) => log(`orders on this device are looked for only now and then: ${String(error)}`));
      } catch (error) {
        log(`orders on this device are looked for only now and then: ${String(error)}`);
      }
      inbox.look();
    },
    look() {
      try {
        for (const { update, text } of ordersToTake(folder, deps.now())) takeOne(update, text);
      } catch (error) {
        // A full disk: what lies there is taken later.
        log(`an order on this device could not be taken: ${String(error)}`);
      }
    },
    stop: () => watcher?.close(),
  };
  return inbox;
}

function read(text: string): LocalOrder {
  try {
    return LocalOrder.parse(JSON.parse(text));
  } catch (error) {
    throw new FettleError('protocol_violation', { data: { reason: 'the order cannot be read' }, cause: error });
  }
}
