import type { Check } from './contract.ts';

/** A line of the app's log has the text in it, printed since this very start. */
export const logCheck: Check = {
  kind: 'log',
  applies: (health) => health.log !== undefined,
  async look(subject, health) {
    const text = health.log ?? '';
    if (await subject.printed(text)) return { good: true };
    return { good: false, reason: `its log has no line with “${text}” since it was started` };
  },
};
