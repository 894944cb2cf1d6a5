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
  hub_identity_invalid: (d) => ({
    text: `The device does not know its hub: ${t(d.file)} can't be used${because(d)}.`,
    next: 'Enroll the device again, or mend the file.',
  }),
  tls_unusable: (d) => ({
    text: `The certificate ${t(d.file)} can't be used${because(d)}.`,
    next:
      t(d.mend) ||
      'Look at `hub.tls` in fettle.yaml: `self-signed` (made with openssl), or a file with the certificate and one with its key, PEM.',
  }),
};
