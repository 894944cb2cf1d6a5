import { describe, expect, test } from 'vitest';
import type { OutcomeLike, UpdateLike } from '../../../src/chat/messages/index.ts';
import { digestCard } from '../../../src/chat/render-notice.ts';
import { progressCard } from '../../../src/chat/render-progress.ts';
import { endedBadly, finalCard } from '../../../src/chat/render-update.ts';
import { LANGUAGES } from '../../../src/domain/reply.ts';
import { isFinal, UPDATE_KINDS, UPDATE_STATES } from '../../../src/domain/update.ts';

const update: UpdateLike = {
  id: 'u-7k2m',
  app: 'web',
  kind: 'update',
  state: 'fetching',
  from: '2.0.2',
  to: '3.0.1',
  requestedAt: 1_000,
};
const outcome: OutcomeLike = {
  state: 'succeeded',
  from: '2.0.2',
  to: '3.0.1',
  running: '3.0.1',
  outageMs: 900,
  proof: 'reported',
  startedAt: 1_000,
  endedAt: 15_000,
};
const admin = { admin: true };
const words = (reply: object) => JSON.stringify(reply);

test('progress: bytes, rate and time left', () => {
  const card = progressCard(
    { ...update, progress: { unit: 'bytes', done: 3_100_000, total: 8_000_000, rate: 1_200_000, left: 4 } },
    'en',
  );
  expect(card).toMatchObject({
    tone: 'busy',
    title: 'web 2.0.2 → 3.0.1',
    progress: {
      label: 'fetching the new version',
      step: 2,
      steps: 7,
      detail: '3.1 MB of 8.0 MB · 1.2 MB/s · 4.0 s left'.replace('4.0', '4'),
    },
    buttons: [{ command: '/update cancel u-7k2m' }],
  });
});

describe.each(LANGUAGES)('%s', (language) => {
  test.each(UPDATE_STATES.flatMap((state) => UPDATE_KINDS.map((kind) => [state, kind] as const)))(
    'a card for %s of %s',
    (state, kind) => {
      const card = progressCard({ ...update, state, kind }, language);
      expect(words(card)).not.toMatch(/undefined|NaN/);
      expect(card.progress?.step).toBeLessThanOrEqual(card.progress?.steps ?? 0);
      if (isFinal(state)) {
        const final = finalCard({ ...outcome, state }, { ...update, state, kind }, language, admin);
        expect(final.progress).toBeUndefined();
        expect(words(final)).not.toMatch(/undefined|NaN/);
        const bare = finalCard(undefined, { ...update, from: undefined, to: undefined, state, kind }, language, admin);
        expect(words(bare)).not.toMatch(/undefined|NaN/);
      }
    },
  );
});

test('steps only rise on the way to success', () => {
  const path = [
    'requested',
    'queued',
    'sent',
    'received',
    'fetching',
    'staged',
    'rehearsing',
    'waiting',
    'stopping',
    'swapping',
    'starting',
    'probing',
    'committing',
  ] as const;
  for (const kind of UPDATE_KINDS) {
    const steps = path.map((state) => progressCard({ ...update, state, kind }, 'en').progress?.step ?? 0);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  }
});

test('cancelling is offered while it is possible', () => {
  expect(progressCard({ ...update, state: 'waiting' }, 'en').buttons).toHaveLength(1);
  expect(progressCard({ ...update, state: 'stopping' }, 'en').buttons).toBeUndefined();
  expect(progressCard({ ...update, cancelRequested: true }, 'en').progress?.label).toBe('cancelling');
});

test('how far a release is trusted is on its cards, while it goes on and at the end; not on those that fetch nothing', () => {
  const trust = { level: 'signed', by: ['RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3'] } as const;
  const field = { name: 'release', value: 'signed by RWQf6LRC…' };
  expect(progressCard({ ...update, trust }, 'en').fields).toEqual([field]);
  expect(finalCard(outcome, { ...update, state: 'succeeded', trust }, 'en', admin).fields).toContainEqual(field);
  for (const state of ['rolled-back', 'rollback-failed'] as const) {
    expect(finalCard({ ...outcome, state }, { ...update, state, trust }, 'en', admin).fields).toEqual([field]);
  }
  // What was refused was perhaps signed by nobody.
  const refused = finalCard({ ...outcome, state: 'failed' }, { ...update, state: 'failed', trust }, 'en', admin);
  expect(words(refused)).not.toContain('signed by');
  const unverified = finalCard(outcome, { ...update, trust: { level: 'none', by: ['feed'] } }, 'zh', admin);
  expect(unverified.fields).toContainEqual({ name: '版本来源', value: '未经验证' });
  for (const kind of ['restart', 'rollback', 'restore'] as const) {
    expect(words(progressCard({ ...update, kind, trust }, 'en'))).not.toContain('signed by');
  }
});

test('success says: back online, version, outage, proof, duration', () => {
  const card = finalCard(outcome, { ...update, state: 'succeeded', endedAt: 15_000 }, 'en', admin);
  expect(card.title).toBe('web is back online, 3.0.1, outage 0.9 s');
  expect(card.fields).toEqual([
    { name: 'version', value: '2.0.2 → 3.0.1' },
    { name: 'proof', value: 'reported its version' },
    { name: 'took', value: '14 s' },
  ]);
  expect(finalCard(outcome, { ...update, state: 'succeeded' }, 'zh', admin).title).toBe(
    'web 已恢复在线，版本 3.0.1，中断 0.9 秒',
  );
  const install = finalCard(
    { ...outcome, outageMs: undefined },
    { ...update, kind: 'install', state: 'succeeded' },
    'en',
    admin,
  );
  expect(install.title).toBe('web 3.0.1 is installed and online');
  const restart = finalCard(outcome, { ...update, kind: 'restart', state: 'succeeded' }, 'en', admin);
  expect(restart.title).toContain('back online after a restart');
});

test('rolled back says: what failed, what serves, what became of the data; the log to admins alone', () => {
  const rolledBack: OutcomeLike = {
    ...outcome,
    state: 'rolled-back',
    running: '2.0.2',
    problem: { code: 'health_failed', data: { reason: 'HTTP 500' } },
    dataRestored: true,
    setAside: 'failed/u-7k2m',
    logTail: 'boom',
  };
  const view = { ...update, state: 'rolled-back' as const };
  const card = finalCard(rolledBack, view, 'en', admin);
  expect(card.title).toContain('rolled back');
  expect(card.text?.join('\n')).toContain('web 3.0.1 failed its health check (HTTP 500)');
  expect(card.text?.join('\n')).toContain('web 2.0.2 is serving again. Outage 0.9 s.');
  expect(card.text?.join('\n')).toContain('failed/u-7k2m');
  expect(card.code).toContain('boom');
  expect(finalCard(rolledBack, view, 'en', { admin: false }).code).toBeUndefined();
});

test('a failure offers another try and the log, and shows no more of it than a phone does', () => {
  const logTail = Array.from({ length: 40 }, (_, i) => `line ${i} ${'x'.repeat(1_000)}`).join('\n');
  const bad: OutcomeLike = { ...outcome, state: 'rolled-back', running: '2.0.2', logTail };
  const card = finalCard(bad, { ...update, state: 'rolled-back' }, 'zh', admin);
  expect(card.buttons).toEqual([
    { label: '重试', command: '/update now web@3.0.1' },
    { label: '日志', command: '/update logs u-7k2m' },
  ]);
  expect(card.code?.split('\n')).toHaveLength(13);
  expect(card.code?.length).toBeLessThan(4_000);
  const lost = finalCard(
    { ...outcome, state: 'rollback-failed' },
    { ...update, state: 'rollback-failed' },
    'en',
    admin,
  );
  expect(lost.buttons?.[0]).toEqual({ label: 'Restart', command: '/update restart web', style: 'primary' });
});

test('what was backed up is said, and under which name', () => {
  const card = finalCard({ ...outcome, backup: 7 }, { ...update, state: 'succeeded' }, 'en', admin);
  expect(card.fields).toContainEqual({ name: 'backup', value: 'its data, as web/7' });
});

test('an app that may not be stopped: to go on waiting comes first, and to stop it all the same looks dangerous', () => {
  const note = { code: 'locked_by_app', data: { reason: 'a backup runs' } };
  expect(progressCard({ ...update, state: 'waiting', note }, 'en').buttons).toEqual([
    { label: 'Hold', command: '/update hold u-7k2m' },
    { label: 'Force', command: '/update force u-7k2m', style: 'danger' },
    { label: 'Cancel', command: '/update cancel u-7k2m' },
  ]);
});

test('a digest of many apps has a few buttons, and says what it leaves out', () => {
  const release = { version: '2.0.0', channel: 'stable', digest: 'sha512-x', artifacts: [] };
  const news = Array.from({ length: 30 }, (_, i) => ({ app: `app-${i}`, from: '1.0.0', release, between: 0 }));
  const card = digestCard(news, 'en');
  expect(card.buttons).toHaveLength(4);
  expect(card.table?.rows).toHaveLength(20);
  expect(card.hints?.[0]).toBe('and 10 more');
  const [one] = news;
  expect(one && digestCard([one], 'zh').hints).toBeUndefined();
});

test('rollback-failed says what to do on the device', () => {
  const card = finalCard(
    { ...outcome, state: 'rollback-failed', running: undefined },
    { ...update, state: 'rollback-failed' },
    'en',
    admin,
  );
  expect(card.hints?.join()).toContain('/update restart web');
  expect(card.hints?.join()).toContain('fettle rescue web');
});

test('failed says that the old version runs on', () => {
  const problem = { code: 'artifact_mismatch', data: {} };
  const card = finalCard(
    { ...outcome, state: 'failed', running: '2.0.2', problem },
    { ...update, state: 'failed' },
    'en',
    admin,
  );
  expect(card.text?.join('\n')).toContain('web 2.0.2 never noticed and runs on');
});

test('every end but success counts as failed', () => {
  expect(UPDATE_STATES.filter(isFinal).filter((state) => !endedBadly(state))).toEqual(['succeeded']);
});

describe('a restore', () => {
  const DAY = 86_400_000;
  const restore: UpdateLike = { ...update, kind: 'restore', from: '3.0.1', to: '3.0.1', backup: 3, state: 'succeeded' };
  const ended: OutcomeLike = {
    ...outcome,
    from: '3.0.1',
    outageMs: 300,
    backup: 4,
    startedAt: 10 * DAY,
    endedAt: 10 * DAY,
    restored: { seq: 3, at: 8 * DAY, from: '2.0.2', to: '3.0.1', skipped: [], absent: [] },
  };

  test('says on which data the app runs, and where that from before is', () => {
    const en = finalCard(ended, restore, 'en', admin);
    expect(en.title).toBe('web runs on the data of backup web/3 (made 2 days ago, before 2.0.2 → 3.0.1), outage 0.3 s');
    expect(en.text).toEqual(['The data from before is backup web/4.']);
    const zh = finalCard(ended, restore, 'zh', admin);
    expect(zh.title).toBe('web 现在使用备份 web/3 的数据（2 天前备份，2.0.2 → 3.0.1 之前），中断 0.3 秒');
    expect(zh.text).toEqual(['原来的数据是备份 web/4。']);
  });

  test('of a backup that a restore made; with backups off; with paths that do not fit', () => {
    const other: OutcomeLike = {
      ...ended,
      backup: undefined,
      setAside: 'failed/u-1-before',
      restored: { seq: 3, at: 8 * DAY, from: '3.0.1', restores: 1, skipped: ['cache'], absent: ['uploads'] },
    };
    const card = finalCard(other, restore, 'en', admin);
    expect(card.title).toContain('(made 2 days ago, before a restore of web/1)');
    expect(card.text).toEqual([
      'The data from before is in apps/web/failed/u-1-before; no backup of it was made.',
      'In that backup, but no longer backed up, so not restored: cache.',
      'Not in that backup, and left as it was: uploads.',
    ]);
  });

  test('that the app was ill on', () => {
    const card = finalCard(
      {
        ...ended,
        state: 'rolled-back',
        dataRestored: true,
        setAside: 'failed/u-1',
        problem: { code: 'health_failed', data: { app: 'web', status: 500 } },
      },
      { ...restore, state: 'rolled-back' },
      'en',
      admin,
    );
    expect(card.title).toBe('web did not work on the data of backup web/3');
    expect(card.text?.at(-1)).toBe(
      'Its data is as it was before the restore. The data that did not work is in apps/web/failed/u-1.',
    );
  });

  test('of a bad backup: not tried again; while it waits, it says what it is', () => {
    const bad = { code: 'backup_failed', data: { app: 'web', backup: 'web/3', path: 'site/x', reason: 'its hash' } };
    const card = finalCard(
      { ...ended, state: 'failed', restored: undefined, problem: bad },
      { ...restore, state: 'failed' },
      'en',
      admin,
    );
    expect(card.title).toBe('The data of web was not restored');
    expect(card.text).toEqual([
      "Backup web/3 can't be put back: site/x (its hash).",
      'web 3.0.1 never noticed and runs on.',
    ]);
    expect(card.buttons?.map(({ command }) => command)).toEqual(['/update logs u-7k2m']);
    expect(progressCard({ ...restore, state: 'starting' }, 'en')).toMatchObject({
      title: 'web: restore of backup web/3',
      progress: { label: 'putting the backup in place', step: 3, steps: 4 },
    });
  });
});

test('data that stays as the failed version left it is told so', () => {
  const left: OutcomeLike = { ...outcome, state: 'rolled-back', dataRestored: false, dataLeft: true };
  for (const state of ['rolled-back', 'rollback-failed'] as const) {
    const card = finalCard({ ...left, state }, { ...update, state }, 'en', admin);
    expect(words(card)).toContain('Its data is as the failed version left it');
    expect(words(card)).not.toContain('not touched');
    expect(words(finalCard({ ...left, state }, { ...update, state }, 'zh', admin))).toContain('失败的版本留下的样子');
  }
});
