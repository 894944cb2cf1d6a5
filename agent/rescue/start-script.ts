import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HomeLayout } from '../../config/home.ts';
import { readLink, switchLink } from '../../src/files/durable.ts';
import { createKeeperClient } from '../keeper/client.ts';
import type { State } from './bring.ts';
import type { RescueOptions } from './contract.ts';

const KEEPER_MS = 20_000;
const AGENT_MS = 20_000;
/** An agent that lives this long has not failed at its start. */
const STEADY_MS = 5_000;

/** The keeper runs from the agent's slots, by a pointer of its own; where that leads nowhere, it is set to this one. */
export function mendKeeper(layout: HomeLayout, slot: string): void {
  const { current, dir } = layout.keeper;
  const target = readLink(current);
  if (target !== undefined && existsSync(join(dir, target, '.fettle', 'slot.json'))) return;
  switchLink(current, relative(dir, slot));
}

/** Starts the keeper by the device's own script, and with it everything that it keeps; says how the agent is then. */
export async function startScript({ layout, environment, signal }: RescueOptions): Promise<State> {
  const failed = (reason: string): State => ({
    result: 'not-started',
    problem: { code: 'keeper_unreachable', data: { reason, log: layout.keeper.log }, retryable: false },
  });
  if (!existsSync(layout.keeper.start)) return failed(`there is no ${layout.keeper.start}`);
  const log = openSync(layout.keeper.log, 'a', 0o600);
  const { FETTLE_START: _start, FETTLE_APP: _app, ...env } = environment;
  const child = spawn('/bin/sh', [layout.keeper.start], {
    cwd: layout.home,
    detached: true,
    env,
    stdio: ['ignore', log, log],
  });
  child.on('error', () => undefined);
  child.unref();
  closeSync(log);
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('hello', {}, { timeoutMs: KEEPER_MS });
    const kept = (await keeper.ask('status', {})).apps.agent;
    if (!kept) return failed('it keeps no agent');
    if (!kept.running) await keeper.ask('start', { app: 'agent' });
    const end = performance.now() + AGENT_MS;
    for (;;) {
      const now = (await keeper.ask('status', {})).apps.agent;
      if (now?.running && Date.now() - now.running.at >= STEADY_MS) return { result: 'well', started: now.running };
      if (performance.now() > end) return { result: 'ended', started: now?.running ?? undefined };
      await delay(200, undefined, { signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    return failed(String(error));
  } finally {
    keeper.close();
  }
}
