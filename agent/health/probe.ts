import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import { readVersion } from '../../src/domain/version.ts';
import type { Answer, Check, Subject } from './contract.ts';

/** Until the first good answer it is looked often, as the outage ends there; oftener takes from the app's own start. */
const FIRST_LOOKS_MS = 20;
const FIRST_LOOKS_FOR_MS = 5_000;
/** An app that was well, was not, and was again this often is ill. */
const MAX_FLAPS = 2;

export interface ProbeRequest {
  readonly subject: Subject;
  readonly health: Health;
  /** The version that must answer, where the app reports one. */
  readonly version: string | null;
  /** Milliseconds it must stay well; 0 for a quick look. */
  readonly periodMs: number;
  readonly onGood?: (good: number, of: number) => void;
}

export interface Proof {
  /** Who says that it is the new version: the app itself, or its process, seen to run from the new slot. */
  readonly proof: 'reported' | 'slot';
  /** Wall clock of the first good answer. */
  readonly firstGoodAt: number;
}

/** Looks once with every check that applies; the first bad answer wins. */
export async function look(
  checks: readonly Check[],
  subject: Subject,
  health: Health,
  signal: AbortSignal,
): Promise<Answer> {
  let version: string | undefined;
  for (const check of checks) {
    if (!check.applies(health)) continue;
    const answer = await check.look(subject, health, signal);
    if (!answer.good) return answer;
    version = answer.version ?? version;
  }
  return { good: true, version };
}

/**
 * Resolves once the app has been well: `checks` good answers in a row, and for the whole period.
 * The signal's end is the deadline.
 *
 * @throws {FettleError} `crashed` · `health_failed {reason}` · `wrong_version {expected, found}`
 */
export async function probe(
  checks: readonly Check[],
  request: ProbeRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<Proof> {
  const { subject, health } = request;
  const began = clock.monotonic();
  let firstGoodAt: number | undefined;
  let goodSince: number | undefined;
  let inRow = 0;
  let flaps = 0;
  let lastReason = 'no answer';
  let reported = false;
  for (;;) {
    let answer: Answer;
    try {
      answer = await look(checks, subject, health, signal);
    } catch (error) {
      if (signal.aborted)
        throw new FettleError('health_failed', { data: { app: subject.app, reason: lastReason }, cause: error });
      throw error;
    }
    if (answer.good) {
      if (answer.version !== undefined) {
        reported = true;
        if (request.version !== null && !sameVersion(answer.version, request.version)) {
          throw new FettleError('wrong_version', {
            data: { app: subject.app, expected: request.version, found: answer.version },
          });
        }
      } else if (!subject.runs(await subject.pids())) {
        throw new FettleError('wrong_version', {
          data: { app: subject.app, expected: request.version ?? '', found: 'a process outside the new slot' },
        });
      }
      firstGoodAt ??= clock.now();
      goodSince ??= clock.monotonic();
      inRow += 1;
      request.onGood?.(Math.min(inRow, health.checks), health.checks);
      if (inRow >= health.checks && clock.monotonic() - goodSince >= request.periodMs) {
        return { proof: reported ? 'reported' : 'slot', firstGoodAt };
      }
    } else {
      lastReason = answer.reason;
      if (answer.ended) throw new FettleError('crashed', { data: { app: subject.app, reason: answer.reason } });
      if (goodSince !== undefined) {
        flaps += 1;
        if (flaps > MAX_FLAPS) {
          throw new FettleError('health_failed', {
            data: { app: subject.app, reason: `it was well and ill by turns; last: ${answer.reason}` },
          });
        }
      }
      goodSince = undefined;
      inRow = 0;
    }
    const early = firstGoodAt === undefined && clock.monotonic() - began < FIRST_LOOKS_FOR_MS;
    try {
      await delay(early ? FIRST_LOOKS_MS : health.every, undefined, { signal });
    } catch (error) {
      throw new FettleError('health_failed', { data: { app: subject.app, reason: lastReason }, cause: error });
    }
  }
}

function sameVersion(a: string, b: string): boolean {
  return a === b || (readVersion(a) !== undefined && readVersion(a) === readVersion(b));
}
