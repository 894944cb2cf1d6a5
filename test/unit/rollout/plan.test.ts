import { expect, test } from 'vitest';
import { planOf } from '../../../src/rollout/plan.ts';
import type { Decision } from '../../../src/rollout/requests.ts';

const device = { connected: 1, name: 'this-machine' } as Decision['device'];
const app: Decision['app'] = {
  name: 'web',
  source: { kind: 'npm', package: 'web' },
  channel: 'stable',
  keep: ['data'],
  downgrade: 'last-good',
  probe: { forMs: 1_000, checks: 3 },
  graceMs: 1_000,
};
const known = { app, device, report: undefined, from: '3.0.1', to: '3.0.1' };
const codes = (decision: Decision, backup = true) =>
  planOf(decision, { withData: false, backup }).steps.map((step) => step.code);

test('a restore checks, backs up, puts back, and fetches and switches nothing', () => {
  const restore: Decision = { ...known, kind: 'restore', backup: 3 };
  expect(codes(restore)).toEqual(['verify', 'back_up', 'stop', 'restore_data', 'start', 'probe', 'go_back']);
  const plan = planOf(restore, { withData: false, backup: true });
  expect(plan).toMatchObject({ backup: 3, source: undefined });
  expect(plan.steps[0]?.data).toEqual({ app: 'web', backup: 'web/3' });
});

test('with backups off, the steps say so', () => {
  const update: Decision = { ...known, to: '3.1.0', kind: 'update' };
  const steps = planOf(update, { withData: false, backup: false }).steps;
  expect(steps.find(({ code }) => code === 'back_up')?.data).toMatchObject({ off: true });
  expect(steps.at(-1)?.data).toMatchObject({ off: true });
});
