import { FettleError } from '../../src/domain/errors.ts';

/** Why the work was ended, as an error of ours: the signal's own where it is one, else time or a person. */
export function abortError(signal: AbortSignal): FettleError {
  const reason: unknown = signal.reason;
  if (reason instanceof FettleError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new FettleError(timedOut ? 'deadline_passed' : 'cancelled', { retryable: timedOut, cause: reason });
}
