import { HANDSHAKE_PURPOSE } from './messages.ts';

/** What the agent signs: both nonces and what for, so that a signature fits this connection only. */
export function agentProof(hubNonce: string, agentNonce: string, device: string): string {
  return [HANDSHAKE_PURPOSE, 'agent', hubNonce, agentNonce, device].join('\n');
}

/** What the hub signs in return. */
export function hubProof(hubNonce: string, agentNonce: string, device: string): string {
  return [HANDSHAKE_PURPOSE, 'hub', hubNonce, agentNonce, device].join('\n');
}
