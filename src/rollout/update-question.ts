import { FettleError } from '../domain/errors.ts';
import type { Gateway } from '../gateway/gateway.ts';

/** A device that has not answered by then is as good as offline. */
const ANSWER_MS = 10_000;

/** What a person may want of an update that a device has. */
export type Wish = 'cancel' | 'force' | 'hold';

export interface WishAnswer {
  readonly accepted: boolean;
  readonly state: string;
}

/** Asks a device to give an update up, or to go on with it in another way, and waits for what it says. */
export interface UpdateQuestions {
  /**
   * `undefined` where the device can't be asked or does not answer in 10 s.
   * @throws {FettleError} `agent_too_old` where its agent does not know the question
   */
  ask(device: string, update: string, wish: Wish): Promise<WishAnswer | undefined>;
  /** False where nobody waits for it from this device. */
  answered(device: string, update: string, wish: Wish, answer: WishAnswer): boolean;
  /** A device does not know a type of message. */
  unknown(device: string, seen: string): void;
}

type Resolve = (answer: WishAnswer | 'unknown' | undefined) => void;

export function createUpdateQuestions(gateway: () => Pick<Gateway, 'send'>): UpdateQuestions {
  const waiters = new Set<{ device: string; update: string; wish: Wish; resolve: Resolve }>();
  return {
    async ask(device, update, wish) {
      const answered = Promise.withResolvers<WishAnswer | 'unknown' | undefined>();
      const waiter = { device, update, wish, resolve: answered.resolve };
      waiters.add(waiter);
      const late = setTimeout(() => answered.resolve(undefined), ANSWER_MS);
      if (!gateway().send(device, { type: wish, update })) answered.resolve(undefined);
      const answer = await answered.promise;
      clearTimeout(late);
      waiters.delete(waiter);
      if (answer === 'unknown') throw new FettleError('agent_too_old', { data: { device } });
      return answer;
    },
    answered(device, update, wish, answer) {
      const asked = [...waiters].filter((one) => one.device === device && one.update === update && one.wish === wish);
      for (const waiter of asked) waiter.resolve(answer);
      return asked.length > 0;
    },
    unknown(device, seen) {
      for (const waiter of waiters) if (waiter.device === device && waiter.wish === seen) waiter.resolve('unknown');
    },
  };
}
