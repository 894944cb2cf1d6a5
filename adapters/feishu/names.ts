import type { Api } from './api.ts';
import { failureOf } from './failure.ts';

/**
 * Names of people: events have none. Asked for once a person, and never for long: the event is not acknowledged before
 * it is stored. Without the scope `contact:user.base:readonly` nobody has a name.
 */

const WAIT_MS = 700;
const REMEMBER = 2_000;

export interface Names {
  of(person: string): Promise<string | undefined>;
}

export function createNames(api: Api, log: (event: string, data: Readonly<Record<string, unknown>>) => void): Names {
  const names = new Map<string, Promise<string | undefined>>();
  let allowed = true;

  async function ask(person: string): Promise<string | undefined> {
    try {
      return await api.name(person);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'permission' && allowed) {
        allowed = false;
        log('feishu_names_not_allowed', { reason: failure.message });
      }
      // What may be mended is asked again with the next event.
      if (failure.kind !== 'permission' && failure.kind !== 'strange') names.delete(person);
      return undefined;
    }
  }

  return {
    async of(person) {
      if (!allowed) return undefined;
      if (names.size >= REMEMBER) names.clear();
      const name = names.get(person) ?? ask(person);
      names.set(person, name);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), WAIT_MS);
      });
      const found = await Promise.race([name, late]);
      clearTimeout(timer);
      return found;
    },
  };
}
