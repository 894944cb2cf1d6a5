import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HubFile, hubFile } from '../../agent/hub-identity.ts';
import type { HomeLayout } from '../../config/home.ts';
import { readTrimmed } from '../files/durable.ts';

/** Is this the home of a device whose hub is elsewhere? */
export function isEnrolled(layout: HomeLayout): boolean {
  return existsSync(hubFile(layout));
}

/** The own file of such a device. */
export function agentFile(layout: HomeLayout): string {
  return join(layout.home, 'agent.yaml');
}

/** Where the hub of such a device is, as `HOST:PORT`; `unknown` where its file can't be read, `undefined` for other homes. */
export function hubOf(layout: HomeLayout): string | undefined {
  const text = readTrimmed(hubFile(layout));
  if (text === undefined) return undefined;
  try {
    return new URL(HubFile.parse(JSON.parse(text)).address).host;
  } catch {
    return 'unknown';
  }
}
