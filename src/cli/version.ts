import { createRequire } from 'node:module';

/** Fettle's own version, from its package.json: two folders up in a checkout, one up in the bundle. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const require = createRequire(import.meta.url);
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = require(path) as { name?: string; version?: string };
      if (found.name === 'fettle' && found.version) return found.version;
    } catch {
      // Not there: the other one is.
    }
  }
  return '0.0.0';
}
