import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../agent/journal.ts';
import { resume, resumeSelf } from '../../../agent/updater/recover.ts';
import type { UpdateKind, UpdateState } from '../../../src/domain/update.ts';

function at(state: UpdateState, kind: UpdateKind): JournalEntry {
  const order = { kind } as JournalEntry['order'];
  return { state, order, resumes: 0, attempts: 0, problem: null, cancelled: false, from: 'a', to: 'b' } as JournalEntry;
}

test.each<[UpdateKind, UpdateState]>([
  // Its files may not have reached the disk: they are fetched and verified again.
  ['update', 'fetching'],
  ['install', 'fetching'],
  // Nothing was fetched.
  ['rollback', 'staged'],
  ['restore', 'staged'],
])('a power cut in `staged` of %s: goes on in `%s`', (kind, state) => {
  expect(resume(at('staged', kind), { fellBack: false }).state).toBe(state);
});

test('an agent that is interrupted three times while it proves itself goes back, and is not blamed', () => {
  const entry = { ...at('probing', 'update'), attempts: 2 };
  const { state, patch } = resumeSelf(entry, { fellBack: false, runs: 'b' });
  expect(state).toBe('reverting');
  expect(patch.problem).toMatchObject({ code: 'interrupted', retryable: true });
});

test.each<[UpdateState, boolean]>([
  ['swapping', true],
  ['swapping', false],
])(
  'a power cut in `%s`, and at boot a service manager may have started the new version (%s): its data is brought back then',
  (state, mayHaveRun) => {
    const resumed = resume(at(state, 'update'), { fellBack: false, mayHaveRun });
    expect(resumed.state).toBe('reverting');
    expect(resumed.patch.startedNew).toBe(mayHaveRun ? true : undefined);
  },
);
