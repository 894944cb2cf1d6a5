import type { Adapter } from '../src/chat/contract.ts';
import { createTerminalAdapter, type HubStatus } from './terminal/index.ts';

/** What adapters are made from; each takes what it needs. */
export interface AdapterDeps {
  /** The hub's socket. */
  readonly socket: string;
  readonly status: () => Promise<HubStatus>;
  readonly clock: { now(): number };
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
}

/** Every chat that this hub talks to. A new platform is its folder and its line here. */
export function createAdapters(deps: AdapterDeps): readonly Adapter[] {
  return [createTerminalAdapter({ ...deps, now: () => deps.clock.now() })];
}

export type { HubStatus } from './terminal/index.ts';
