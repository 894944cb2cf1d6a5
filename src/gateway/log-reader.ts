import type { RandomBytes } from '../domain/id.ts';
import type { AgentMessage } from '../protocol/messages.ts';
import type { Gateway } from './gateway.ts';
import { createQuestions } from './questions.ts';

/** Asks devices for the ends of logs. */
export interface LogReader {
  /** Redacted by the device. @throws {FettleError} `device_offline` or what the device says */
  read(device: string, name: string, app: string, lines: number, signal: AbortSignal): Promise<string>;
  /** An answer came in. False where nobody waits for it from this device. */
  answer(device: string, message: Extract<AgentMessage, { type: 'log' }>): boolean;
}

export function createLogReader(gateway: () => Pick<Gateway, 'send'>, random: RandomBytes): LogReader {
  const questions = createQuestions<Extract<AgentMessage, { type: 'log' }>>(gateway, random, 'l');
  return {
    async read(device, name, app, lines, signal) {
      const of = { device, name, app };
      const { text } = await questions.ask(of, (request) => ({ type: 'read-log', request, app, lines }), signal);
      return text;
    },
    answer: questions.answer,
  };
}
