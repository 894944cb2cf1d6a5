import type { WebSocketShard } from '@discordjs/ws';

/**
 * The library calls its own steps without waiting for them (`void this.onMessage(…)`), so what one throws ends the
 * process: a frame without the data that belongs to it is enough. Here each is caught, and the connection made anew.
 */

const STEPS = ['internalConnect', 'onMessage', 'onClose', 'heartbeat'] as const;
type Steps = Record<(typeof STEPS)[number], (...given: unknown[]) => Promise<void>>;

export function guardShard(shard: WebSocketShard, onError: (error: unknown) => void): void {
  const steps = shard as unknown as Steps;
  for (const name of STEPS) {
    const step = steps[name].bind(shard);
    steps[name] = async (...given) => {
      try {
        await step(...given);
      } catch (error) {
        onError(error);
      }
    };
  }
}
