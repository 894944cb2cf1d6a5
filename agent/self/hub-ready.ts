import { readTrimmed } from '../../src/files/durable.ts';
import { fetchOnce } from '../health/http.ts';
import type { KeeperClient } from '../keeper/client.ts';

/** Everything that a hub starts takes less. Milliseconds. */
const START_MS = 120_000;
const LOOK_MS = 500;
const ASK_MS = 2_000;

/**
 * Tells the keeper that a hub which has a user of its own is through with its start: that user may not talk to the keeper,
 * which does what it is told. Seen from outside, and worth less than a hub's update demands: what it still waits for are chats.
 */
export async function commitHub(deps: {
  readonly keeper: Pick<KeeperClient, 'ask'>;
  /** Where the hub wrote down its port. */
  readonly port: string;
  readonly pause: (ms: number) => Promise<void>;
  readonly now: () => number;
  readonly signal: AbortSignal;
}): Promise<boolean> {
  const { keeper, port, pause, now, signal } = deps;
  for (const end = now() + START_MS; now() < end && !signal.aborted; await pause(LOOK_MS)) {
    if (!(await hasStarted(readTrimmed(port), signal))) continue;
    await keeper.ask('commit', { app: 'hub' });
    return true;
  }
  return false;
}

async function hasStarted(port: string | undefined, signal: AbortSignal): Promise<boolean> {
  try {
    const url = new URL(`http://127.0.0.1:${Number(port)}/healthz`);
    const { body } = await fetchOnce(url, AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
    const { waitingFor } = JSON.parse(body) as { waitingFor?: unknown };
    return Array.isArray(waitingFor) && !waitingFor.includes('its start');
  } catch {
    return false;
  }
}
