import type { Request } from './contract.ts';

/** What is read of a request, whoever wrote it. */

/** Names are cut after this. */
export const MAX_NAME = 80;

/** One row that can't be read must not keep the hub from starting. */
export function requestOf(stored: string): Request | undefined {
  try {
    return JSON.parse(stored) as Request;
  } catch {
    return undefined;
  }
}

/** What people call themselves, in one line, without what turns text around. */
export function nameOf({ person, personName = '' }: Request): string {
  const name = personName
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_NAME)
    .toWellFormed()
    .trim();
  return name === '' ? person : name;
}
