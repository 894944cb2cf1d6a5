import type { FettleError } from '../domain/errors.ts';
import type { Reply } from '../domain/reply.ts';
import type { Messages } from './messages/index.ts';

/** A refusal that tells people nothing is wrong: what they wanted is so already. */
const FINE = new Set(['already_latest', 'already_running_version', 'release_skipped']);

/** Codes that are questions or news rather than failures. */
const TONES: Readonly<Record<string, Reply['tone']>> = {
  app_needed: 'info',
  already_latest: 'good',
  already_running_version: 'good',
  release_skipped: 'info',
  internal: 'bad',
};

/**
 * The answer to a command that was refused or failed. `data.try` holds commands that the person may have
 * meant; they become buttons.
 */
export function renderError(error: FettleError, messages: Messages, now: number): { reply: Reply; failed: boolean } {
  const { text, next } = messages.problem(error.code, error.data, now);
  const commands = Array.isArray(error.data.try) ? (error.data.try as readonly string[]) : [];
  return {
    reply: {
      tone: TONES[error.code] ?? 'warn',
      title: text,
      ...(next ? { text: [next] } : {}),
      ...(commands.length > 0 ? { buttons: commands.map((command) => ({ label: command, command })) } : {}),
    },
    failed: !FINE.has(error.code),
  };
}
