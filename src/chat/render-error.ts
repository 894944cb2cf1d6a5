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
  const commands = listOf(error.data.try);
  // Where the question is which app, its name is the answer.
  const apps = error.code === 'app_needed' ? listOf(error.data.apps) : [];
  const { title, rest } = split(text);
  const more = [rest, next].filter((part) => part !== undefined && part !== '') as string[];
  return {
    reply: {
      tone: TONES[error.code] ?? 'warn',
      title,
      ...(more.length > 0 ? { text: more } : {}),
      ...(commands.length > 0
        ? { buttons: commands.map((command, i) => ({ label: apps[i] ?? command, command })) }
        : {}),
    },
    failed: !FINE.has(error.code),
  };
}

function listOf(value: FettleError['data'][string]): readonly string[] {
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** A longer text is no title: its first sentence is. */
const TITLE = 100;

function split(text: string): { readonly title: string; readonly rest?: string } {
  if (text.length <= TITLE) return { title: text };
  const end = /[。！？]|[.!?](?= )/u.exec(text);
  const at = end ? end.index + 1 : 0;
  return at > 0 && at <= TITLE * 1.5 ? { title: text.slice(0, at), rest: text.slice(at).trim() } : { title: text };
}
