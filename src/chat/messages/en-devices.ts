import type { DeviceCode, ProblemWriter } from './contract.ts';
import { app, because, device, when } from './en-words.ts';
import { list, text as t } from './format.ts';

/** English: devices and orders. */

const ENROLL = {
  direct: [
    'The line has a key to this hub in it, and others read this chat.',
    'Ask again in a direct message to me, or in `fettle chat`.',
  ],
  wrong: ['This hub did not make this token.', 'Copy the whole line again, or make a new one: /device enroll.'],
  late: ['This token has expired.', 'Make a new line: /device enroll; with --for 24h it is good for longer.'],
  used: ['This token has been used.', 'Make a new line: /device enroll; with --count 10 it is good for ten devices.'],
  rate: ['Too many wrong tokens.', 'Wait ten minutes.'],
  key: [
    "The device's key is none that Fettle makes.",
    'Paste the line on the device again, with --new-key at its end.',
  ],
} as const;

export const deviceProblems: Record<DeviceCode, ProblemWriter> = {
  device_offline: (d, now) => ({
    text: `${device(d)} is offline${d.lastSeenAt ? ` (last seen ${when(d.lastSeenAt, now)})` : ''}.`,
    next: d.tool
      ? 'Nothing was run. Ask again when it is back.'
      : `An update waits for it${d.until ? ` until ${when(d.until, undefined)}` : ''}; /update cancel gives it up.`,
  }),
  device_lost: (d) =>
    d.why === 'revoked'
      ? { text: `${device(d)} was revoked: nobody is told any more what became of it there.` }
      : {
          text: `${device(d)} has not been heard of since the update began.`,
          next: 'Look at the device; it reports what it did when it is back.',
        },
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
    next: 'If the hub was moved or replaced, enroll the device again: /device enroll. If not, somebody else gives orders.',
  }),
  hub_identity_invalid: (d) => ({
    text: `The device does not know its hub: ${t(d.file)} can't be used${because(d)}.`,
    next: 'Enroll the device again, or mend the file.',
  }),
  hub_not_proven: (d) => ({
    text: `What answers at ${t(d.hub) || "the hub's address"} is not the hub that this line is for: its certificate is another.`,
    next: 'Make a new line (/device enroll); where that does not help, somebody is in between.',
  }),
  unknown_device: (d) => ({
    text: t(d.typed).includes('=')
      ? `No device has the label ${t(d.typed)}.`
      : `There is no device ${t(d.typed) ? `called ${t(d.typed)}` : 'like that'}.`,
    next: list(d.known).length > 0 ? `There are ${list(d.known).join(', ')}.` : '/device list shows all.',
  }),
  device_needed: (d) => ({
    text: d.selector
      ? `${t(d.selector)} means ${list(d.devices).length} devices that have ${app(d)}.`
      : `${app(d)} is on ${list(d.devices).length} devices.`,
    next: `One device is named at a time for now: on ${list(d.devices).slice(0, 10).join(', on ')}.`,
  }),
  device_name_taken: (d) => ({
    text: `Another device is called ${t(d.name)}.`,
    next: `Take another name; or /device revoke ${t(d.name)} first, if it is gone.`,
  }),
  bad_device_name: (d) => ({
    text: `${t(d.name) || 'That'} can't be a device's name.`,
    next: 'Letters, digits, - _ and . will do, 60 at the most; not on or all.',
  }),
  device_cloned: (d) => ({
    text: `The key of ${device(d)} is used on two machines: both are held.`,
    next: 'On each: paste a new line of /device enroll, with ` --new-key` at its end. Then /device revoke the old one.',
  }),
  device_revoked: (d) => ({
    text: `${device(d)} was revoked: its key is worth nothing any more.`,
    next: 'To let it in again: /device enroll, and paste that line on the device with ` --new-key` at its end.',
  }),
  device_is_local: (d) => ({
    text: `${device(d)} is the hub's own machine: it can't be revoked.`,
    next: '`fettle down` there stops everything.',
  }),
  not_on_device: (d) => ({
    text: d.device ? `${app(d)} is not on ${device(d)}.` : `No device has ${app(d)}.`,
    next: list(d.devices).length > 0 ? `It is on ${list(d.devices).join(', ')}.` : undefined,
  }),
  enroll_refused: (d) => {
    const why = ENROLL[t(d.why) as keyof typeof ENROLL] ?? ENROLL.wrong;
    return { text: why[0], next: why[1] };
  },
  bundle_unavailable: (d) => ({
    text: `The hub has nothing to install on ${t(d.platform) || 'that platform'}${because(d)}.`,
    next: 'Fettle runs on linux-x64 and linux-arm64. For the latter the hub needs the npm registry once; or install Fettle there yourself and use `fettle enroll`.',
  }),
  tls_unusable: (d) => ({
    text: `The certificate ${t(d.file)} can't be used${because(d)}.`,
    next:
      t(d.mend) ||
      'Look at `hub.tls` in fettle.yaml: `self-signed` (made with openssl), or a file with the certificate and one with its key, PEM.',
  }),
  tool_refused: (d) => ({
    text: `${t(d.tool)} does not take this${d.what ? `: ${t(d.what)}` : ''}.`,
    next: d.expected ? `Expected: ${t(d.expected)}.` : undefined,
  }),
  tool_end_unknown: (d) => ({
    text: `${t(d.tool)} was begun, and how it ended is not known: the device's agent stopped meanwhile.`,
    next: 'It is not run again by itself. Look at the device, then ask anew.',
  }),
  tools_unknown: (d) => ({
    text: `Which tools ${t(d.devices)} has is not known yet: it has not told this hub. No other device has ${t(d.tool)}.`,
    next: 'Ask again when it is connected; /device list shows it.',
  }),
  policy_refused: (d) => ({
    text: `The device did not take the policy${because(d)}.`,
    next: 'Its file is as it was. Mend the policy, give it a higher number and sign it anew.',
  }),
};
