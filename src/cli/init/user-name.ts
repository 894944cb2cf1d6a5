import { execFileSync } from 'node:child_process';

/** A user's name; the number where the machine knows none. */
export function userName(uid: number): string {
  try {
    return execFileSync('id', ['-nu', String(uid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim();
  } catch {
    return String(uid);
  }
}
