import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../agent/journal.ts';
import type { FellBackFor } from '../../../agent/keeper/protocol.ts';
import { resumeSelf } from '../../../agent/updater/recover.ts';
import type { UpdateState } from '../../../src/domain/update.ts';

const OLD = '1.0.0-aaaaaaaa';
const NEW = '1.1.0-bbbbbbbb';

function at(state: UpdateState, more: Partial<JournalEntry> = {}): JournalEntry {
  return { state, from: OLD, to: NEW, resumes: 0, attempts: 0, problem: null, ...more } as JournalEntry;
}

test.each<[string, UpdateState, 'old' | 'new', boolean, Partial<JournalEntry>, UpdateState]>([
  ['nothing was stopped yet: done again', 'stopping', 'old', false, {}, 'stopping'],
  ['the switch may have been made: done again', 'swapping', 'old', false, {}, 'swapping'],
  ['the new one was started by a crash: it proves itself', 'swapping', 'new', false, {}, 'probing'],
  ['the new one runs: it proves itself', 'starting', 'new', false, {}, 'probing'],
  ['the end was never asked for: asked again', 'starting', 'old', false, {}, 'starting'],
  ['asked three times in vain', 'starting', 'old', false, { attempts: 2 }, 'reverting'],
  ['the keeper went back', 'starting', 'old', true, {}, 'reverting'],
  ['a crash while proving: proves itself again', 'probing', 'new', false, {}, 'probing'],
  ['the third time', 'probing', 'new', false, { attempts: 2 }, 'reverting'],
  ['the old one runs: the new one failed', 'probing', 'old', true, {}, 'reverting'],
  ['the old one runs, whoever started it', 'probing', 'old', false, {}, 'reverting'],
  ['it has succeeded: finished', 'committing', 'new', false, {}, 'committing'],
  ['on the way back', 'reverting', 'new', false, {}, 'reverting'],
  ['on the way back, by the old one', 'restarting', 'old', false, {}, 'restarting'],
  ['untouched: goes on', 'fetching', 'old', false, {}, 'fetching'],
])('%s', (_, state, runs, fellBack, more, expected) => {
  const found = { fellBack, runs: runs === 'old' ? OLD : NEW };
  expect(resumeSelf(at(state, more), found).state).toBe(expected);
});

test('that the keeper went back is the release’s own fault', () => {
  const { patch } = resumeSelf(at('probing'), { fellBack: true, runs: OLD });
  expect(patch.problem).toMatchObject({ code: 'crashed', retryable: false });
});

test.each<[FellBackFor | undefined, RegExp]>([
  [{ why: 'ends', code: 9 }, /ended with status 9 each time/],
  [{ why: 'ends', code: 139 }, /ended by signal 11 each time/],
  [{ why: 'ends', code: null }, /ended each time/],
  [{ why: 'time' }, /was started, and was not well in time/],
  // A keeper of before knows no more.
  [undefined, /did not come up, or did not reach the hub in time/],
])('why the keeper went back: %j', (fellBackFor, reason) => {
  const { patch } = resumeSelf(at('probing'), { fellBack: true, fellBackFor, runs: OLD });
  expect(patch.problem?.data).toMatchObject({ app: 'agent', reason: expect.stringMatching(reason) });
});

test('a restart, which changes no slot, is done again until it was done', () => {
  const restart = { to: OLD };
  expect(resumeSelf(at('swapping', restart), { fellBack: false, runs: OLD }).state).toBe('swapping');
  expect(resumeSelf(at('starting', restart), { fellBack: false, runs: OLD }).state).toBe('probing');
});
