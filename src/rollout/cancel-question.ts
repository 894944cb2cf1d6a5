import type { Gateway } from '../gateway/gateway.ts';

/** A device that has not answered a cancel by then is as good as offline. */
const CANCEL_MS = 10_000;

export interface CancelAnswer {
  readonly accepted: boolean;
  readonly state: string;
}

/** Asks a device to give an update up, and waits for what it says. */
export interface CancelQuestions {
  /** `undefined` where the device can't be asked or does not answer in 10 s. */
  ask(device: string, update: string): Promise<CancelAnswer | undefined>;
  answered(update: string, answer: CancelAnswer): void;
}

export function createCancelQuestions(gateway: () => Pick<Gateway, 'send'>): CancelQuestions {
  const waiters = new Map<string, Set<(answer: CancelAnswer | undefined) => void>>();
  return {
    async ask(device, update) {
      const answered = Promise.withResolvers<CancelAnswer | undefined>();
      const waiting = waiters.get(update) ?? new Set();
      waiters.set(update, waiting.add(answered.resolve));
      const late = setTimeout(() => answered.resolve(undefined), CANCEL_MS);
      if (!gateway().send(device, { type: 'cancel', update })) answered.resolve(undefined);
      const answer = await answered.promise;
      clearTimeout(late);
      waiting.delete(answered.resolve);
      if (waiting.size === 0) waiters.delete(update);
      return answer;
    },
    answered(update, answer) {
      for (const resolve of waiters.get(update) ?? []) resolve(answer);
    },
  };
}
