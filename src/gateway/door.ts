import { isIPv6 } from 'node:net';
import { isLoopback } from '../domain/loopback.ts';

/** Connections that have not proven themselves: in all, and from one address. */
const MOST = 1_000;
const MOST_OF_ONE = 50;
/** A connection proves itself or ends within ten seconds; until then there may be room again. */
export const RETRY_AFTER_S = 10;

/**
 * How many may stand at the door. Whoever has not proven to be a device costs memory here, so there is a bound, and one
 * for each address, lest one keep out the others.
 */
export interface Door {
  /** Lets one in, and answers what to call when it has proven itself or left; `undefined`: full. */
  enter(address: string): (() => void) | undefined;
}

export function createDoor(): Door {
  let inside = 0;
  const of = new Map<string, number>();
  return {
    enter(address) {
      const who = networkOf(address);
      const count = of.get(who) ?? 0;
      // Behind a proxy on this machine, everybody comes from here.
      if (inside >= MOST || (count >= MOST_OF_ONE && !isLoopback(who))) return undefined;
      inside += 1;
      of.set(who, count + 1);
      let entered = true;
      return () => {
        if (!entered) return;
        entered = false;
        inside -= 1;
        const left = (of.get(who) ?? 1) - 1;
        if (left > 0) of.set(who, left);
        else of.delete(who);
      };
    },
  };
}

/** An IPv6 host has 2^64 addresses of its own: these count as one. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(plain) || plain === '::1') return plain === '::1' ? '[::1]' : plain;
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  return [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest].slice(0, 4).join(':');
}
