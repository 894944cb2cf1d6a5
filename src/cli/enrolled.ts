import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hubFile } from '../../agent/hub-identity.ts';
import type { HomeLayout } from '../../config/home.ts';

/** Is this the home of a device whose hub is elsewhere? */
export function isEnrolled(layout: HomeLayout): boolean {
  return existsSync(hubFile(layout));
}

/** The own file of such a device. */
export function agentFile(layout: HomeLayout): string {
  return join(layout.home, 'agent.yaml');
}
