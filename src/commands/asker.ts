import type { Route } from '../domain/reply.ts';

/** Who asks: `id` is `platform:person`. */
export interface Person {
  readonly id: string;
  readonly name: string;
}

/** Who changes something, where, and the event that asks for it: a second call for one event changes nothing more. */
export interface Asker {
  readonly who: Person;
  readonly route: Route;
  readonly eventId: string;
}
