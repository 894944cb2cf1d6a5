import type { Adapter, Connection, CredentialCheck } from '../src/chat/contract.ts';

/**
 * A platform that is configured and can't be started (its secret is missing): it is shown as failed wherever chats are
 * shown, and what is to be said there waits.
 */
export function createAbsentAdapter(
  platform: string,
  problem: CredentialCheck['problems'][number],
  since: number,
): Adapter {
  const connection: Connection = { state: 'failed', since, lastError: problem.code, problem };
  const waits = async () => ({ result: 'unattended' as const });
  return {
    platform,
    capabilities: {
      edit: true,
      buttons: true,
      threads: false,
      slash: false,
      ephemeral: false,
      completion: false,
      maxLength: 4_000,
      editIntervalMs: 1_000,
    },
    start: async (sink) => sink.connectionChanged(),
    stop: async () => undefined,
    send: waits,
    edit: waits,
    connection: () => connection,
  };
}
