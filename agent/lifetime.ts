import { FettleError } from '../src/domain/errors.ts';

/** Hubs give five minutes. What is good for longer would fill the lists of what was taken. */
export const LONGEST_MS = 60 * 60_000;
/** The hub's clock may be set between two orders. */
const EARLY_MS = 60_000;

/**
 * Is what a hub orders to be done now?
 * @param hubNow hub time by which it was said at the latest
 * @throws {FettleError} `order_expired` where it is over, not to be done yet, or good for longer than any hub gives
 */
export function checkLifetime(
  app: string,
  { notBefore, expiresAt }: { readonly notBefore: number; readonly expiresAt: number },
  hubNow: number,
): void {
  if (hubNow > expiresAt || expiresAt - hubNow > LONGEST_MS || hubNow < notBefore - EARLY_MS)
    throw new FettleError('order_expired', { data: { app }, retryable: true });
}
