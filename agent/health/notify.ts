import type { Check } from './contract.ts';

/** This very start has said `READY=1` (sd_notify(3)). */
export const notifyCheck: Check = {
  kind: 'notify',
  applies: (health) => health.notify === true,
  async look(subject) {
    const ready = await subject.ready();
    if (ready === true) return { good: true };
    return { good: false, reason: ready === undefined ? NOTHING_HEARS : 'it has not said READY=1' };
  },
};

/** Why `notify: true` can't be used on a device. */
export const NOTHING_HEARS = 'nothing on this device can hear READY=1: it needs perl or python3, or a systemd unit';
