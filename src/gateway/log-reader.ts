import { FettleError, isErrorCode } from '../domain/errors.ts';
import { type RandomBytes, shortId } from '../domain/id.ts';
import type { AgentMessage } from '../protocol/messages.ts';
import type { Gateway } from './gateway.ts';

const DEADLINE_MS = 10_000;

/** Asks devices for the ends of logs. */
export interface LogReader {
  /** Redacted by the device. @throws {FettleError} `device_offline` or what the device says */
  read(device: string, name: string, app: string, lines: number, signal: AbortSignal): Promise<string>;
  /** An answer came in. */
  answer(message: Extract<AgentMessage, { type: 'log' }>): void;
}

export function createLogReader(gateway: () => Pick<Gateway, 'send'>, random: RandomBytes): LogReader {
  const waiting = new Map<string, (message: Extract<AgentMessage, { type: 'log' }>) => void>();
  return {
    async read(device, name, app, lines, signal) {
      const request = shortId('l', random, 10);
      const answered = Promise.withResolvers<Extract<AgentMessage, { type: 'log' }>>();
      waiting.set(request, answered.resolve);
      const offline = () =>
        answered.reject(new FettleError('device_offline', { data: { device: name, app }, retryable: true }));
      const timer = setTimeout(offline, DEADLINE_MS);
      signal.addEventListener('abort', offline, { once: true });
      try {
        if (!gateway().send(device, { type: 'read-log', request, app, lines })) offline();
        const { text, problem } = await answered.promise;
        if (problem)
          throw new FettleError(isErrorCode(problem.code) ? problem.code : 'internal', { data: problem.data });
        return text;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', offline);
        waiting.delete(request);
      }
    },
    answer: (message) => waiting.get(message.request)?.(message),
  };
}
