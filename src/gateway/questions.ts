import { FettleError, isErrorCode } from '../domain/errors.ts';
import { type RandomBytes, shortId } from '../domain/id.ts';
import type { HubMessage, Problem } from '../protocol/messages.ts';
import type { Gateway } from './gateway.ts';

const DEADLINE_MS = 10_000;

interface Answer {
  readonly request: string;
  readonly problem?: Problem | undefined;
}

/** Questions to devices that are answered by one message each, found again by its request's id. */
export interface Questions<A extends Answer> {
  /** @throws {FettleError} `device_offline {device, app}`, also where no answer comes in time; or what the device says */
  ask(
    of: { readonly device: string; readonly name: string; readonly app: string },
    message: (request: string) => HubMessage,
    signal: AbortSignal,
  ): Promise<A>;
  /** An answer came in. False where nobody waits for it from this device: then it is dropped. */
  answer(device: string, message: A): boolean;
}

/** @param prefix of the requests' ids: one letter */
export function createQuestions<A extends Answer>(
  gateway: () => Pick<Gateway, 'send'>,
  random: RandomBytes,
  prefix: string,
): Questions<A> {
  const waiting = new Map<string, { readonly device: string; readonly resolve: (message: A) => void }>();
  return {
    async ask({ device, name, app }, message, signal) {
      const request = shortId(prefix, random, 10);
      const answered = Promise.withResolvers<A>();
      waiting.set(request, { device, resolve: answered.resolve });
      const offline = () =>
        answered.reject(new FettleError('device_offline', { data: { device: name, app }, retryable: true }));
      const timer = setTimeout(offline, DEADLINE_MS);
      signal.addEventListener('abort', offline, { once: true });
      try {
        if (signal.aborted || !gateway().send(device, message(request))) offline();
        const answer = await answered.promise;
        const { problem } = answer;
        if (problem)
          throw new FettleError(isErrorCode(problem.code) ? problem.code : 'internal', { data: problem.data });
        return answer;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', offline);
        waiting.delete(request);
      }
    },
    answer(device, message) {
      const asked = waiting.get(message.request);
      if (asked?.device !== device) return false;
      asked.resolve(message);
      return true;
    },
  };
}
