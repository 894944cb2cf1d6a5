import type { Check, KeptStatus } from './contract.ts';

/** The process of this very start is alive. Always applies. */
export function createProcessCheck(status: KeptStatus): Check {
  return {
    kind: 'process',
    applies: () => true,
    async look(subject) {
      const kept = await status(subject.app);
      if (kept?.running?.startId === subject.startId) return { good: true };
      const code = kept?.lastExit?.code;
      return {
        good: false,
        ended: true,
        reason: code === undefined || code === null ? 'it ended' : `it ended with status ${code}`,
      };
    },
  };
}
