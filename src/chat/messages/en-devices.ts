import type { DeviceCode, ProblemWriter } from './contract.ts';
import { because, device, when } from './en-words.ts';
import { text as t } from './format.ts';

/** English: devices and orders. */

export const deviceProblems: Record<DeviceCode, ProblemWriter> = {
  device_offline: (d, now) => ({
    text: `${device(d)} is offline${d.lastSeenAt ? ` (last seen ${when(d.lastSeenAt, now)})` : ''}.`,
    next: `An update waits for it${d.until ? ` until ${when(d.until, undefined)}` : ''}, or cancel it.`,
  }),
  device_lost: (d) => ({
    text: `${device(d)} has not been heard of since the update began.`,
    next: 'Look at the device; it reports what it did when it is back.',
  }),
  capability_denied: (d) => ({
    text: `The device's own file does not allow this${d.what ? `: ${t(d.what)}` : because(d)}.`,
    next: 'Allow it in the file on the device, if it should.',
  }),
  order_expired: () => ({
    text: 'The order reached the device too late.',
    next: 'Ask again; if it happens often, look at the connection.',
  }),
  order_replayed: () => ({ text: 'The device had this order before and refused it.', next: 'Ask again.' }),
  bad_signature: () => ({
    text: "The order's signature is not that of the hub which this device trusts.",
    next: 'If the hub was moved or replaced, enroll the device again.',
  }),
  tool_refused: (d) => ({
    text: `${t(d.tool)} does not take this${d.what ? `: ${t(d.what)}` : ''}.`,
    next: d.expected ? `Expected: ${t(d.expected)}.` : undefined,
  }),
  tool_end_unknown: (d) => ({
    text: `${t(d.tool)} was begun, and how it ended is not known: the device's agent stopped meanwhile.`,
    next: 'It is not run again by itself. Look at the device, then ask anew.',
  }),
  policy_refused: (d) => ({
    text: `The device did not take the policy${because(d)}.`,
    next: 'Its file is as it was. Mend the policy, give it a higher number and sign it anew.',
  }),
};
