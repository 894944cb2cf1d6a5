import type { Adapter, Connection, PlatformDeps } from '../src/chat/contract.ts';

/** A platform's end is waited for no longer: the process is about to end, and what is left has deadlines of its own. */
const STOP_MS = 5_000;

/**
 * Keeps an adapter's own mistakes from the hub and from the other chats: one that can't start is shown as failed, and one
 * that can't stop is left behind.
 */
export function keptApart(
  adapter: Adapter,
  { clock, log }: Pick<PlatformDeps, 'clock' | 'log'>,
  stopMs = STOP_MS,
): Adapter {
  const { platform } = adapter;
  let broken: Connection | undefined;

  async function end(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      log('chat_not_stopped', { platform, reason: `not within ${stopMs} ms` });
      late.resolve();
    }, stopMs);
    const stopping = (async () => adapter.stop())().catch((error: unknown) =>
      log('chat_not_stopped', { platform, reason: String(error) }),
    );
    await Promise.race([stopping, late.promise]);
    clearTimeout(timer);
  }

  return {
    platform,
    capabilities: adapter.capabilities,
    adminChat: adapter.adminChat,
    async start(sink) {
      try {
        await adapter.start(sink);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log('chat_not_started', { platform, reason });
        const problem = { code: 'chat_refused', data: { platform, reason } } as const;
        broken = { state: 'failed', since: clock.now(), lastError: reason, problem };
        await end();
        sink.connectionChanged();
      }
    },
    async stop() {
      if (broken) broken = { state: 'stopped', since: clock.now() };
      else await end();
    },
    send: async (message) => (broken ? { result: 'unattended' } : adapter.send(message)),
    edit: async (ref, message) => (broken ? { result: 'unattended' } : adapter.edit(ref, message)),
    connection: () => broken ?? adapter.connection(),
  };
}
