import { HANDSHAKE_PURPOSE } from './messages.ts';

/** What the agent signs: both nonces and what for, so that a signature fits this connection only. */
export function agentProof(hubNonce: string, agentNonce: string, device: string): string {
  return [HANDSHAKE_PURPOSE, 'agent', hubNonce, agentNonce, device].join('\n');
}

/** What the hub signs in return. */
export function hubProof(hubNonce: string, agentNonce: string, device: string): string {
  return [HANDSHAKE_PURPOSE, 'hub', hubNonce, agentNonce, device].join('\n');
}

/** What an agent says of itself when it greets. */
export interface About {
  readonly device: string;
  readonly name: string;
  readonly platform: string;
  readonly version: string;
  readonly machine?: string | undefined;
}

/** What the agent signs of that: a device whose key seems to be on a second machine is held, so nobody else may say it. */
export function aboutProof(hubNonce: string, agentNonce: string, about: About): string {
  const { device, name, platform, version, machine } = about;
  const said = JSON.stringify([device, name, platform, version, machine ?? null]);
  return [HANDSHAKE_PURPOSE, 'about', hubNonce, agentNonce, said].join('\n');
}
