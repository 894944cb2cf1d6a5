import type { Check } from './contract.ts';

/** The process of this very start is alive. Always applies. */
export const processCheck: Check = {
  kind: 'process',
  applies: () => true,
  async look(subject) {
    const kept = await subject.status();
    if (kept?.running?.startId === subject.startId) return { good: true };
    const code = kept?.lastExit?.code;
    return {
      good: false,
      ended: true,
      reason: code === undefined || code === null ? 'it ended' : `it ended with status ${code}`,
    };
  },
};
