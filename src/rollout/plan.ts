import type { Plan, PlanStepCode } from '../commands/index.ts';
import type { ErrorData } from '../domain/errors.ts';
import { type Decision, sourceText } from './requests.ts';

/** What a decided update would do, step by step, for `--dry-run`. Pure. */
export function planOf(decision: Decision, options: { readonly withData: boolean; readonly backup: boolean }): Plan {
  const { kind, app, device, from, to, release } = decision;
  const backup = decision.backup === undefined ? {} : { backup: `${app.name}/${decision.backup}` };
  const off = options.backup ? {} : { off: true };
  const steps: { code: PlanStepCode; data: ErrorData }[] = [];
  const step = (code: PlanStepCode, data: ErrorData = {}) => steps.push({ code, data: { app: app.name, ...data } });
  const source = kind === 'restore' ? undefined : sourceText(app);
  const replaces = kind === 'update' || kind === 'install';

  if (decision.approval) step('approve', { mode: decision.approval });
  if (device.connected !== 1) step('wait_for_device', { device: device.name });
  if (replaces) {
    step('fetch', { source, size: release?.size });
    step('verify', { digest: release?.digest });
  }
  if (kind === 'restore') step('verify', backup);
  if (kind !== 'restart' && from !== undefined && app.keep.length > 0) step('back_up', { paths: app.keep, ...off });
  if (from !== undefined) step('stop', { grace: app.graceMs });
  if (kind !== 'restart' && kind !== 'restore') step('switch', { from, to });
  if (kind === 'restore' || (options.withData && kind === 'rollback')) {
    step('restore_data', { paths: app.keep, ...backup });
  }
  step('start', { version: to });
  step('probe', { for: app.probe.forMs, checks: app.probe.checks, address: app.probe.address });
  if (kind !== 'restart' && kind !== 'restore') step('commit', { version: from ?? to });
  if (from !== undefined) step('go_back', { version: from, ...backup, ...(kind === 'restart' ? {} : off) });
  return { kind, app: app.name, from, to, backup: decision.backup, size: release?.size, source, steps };
}
