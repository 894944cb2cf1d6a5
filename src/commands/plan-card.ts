import type { ErrorData } from '../domain/errors.ts';
import type { Language, Reply } from '../domain/reply.ts';
import type { CommandContext, Words } from './contract.ts';
import type { Plan, PlanStepCode } from './services.ts';

/** What a `--dry-run` answers: each step, in words. */

type StepText = (data: ErrorData, words: Words) => string;

const string = (value: ErrorData[string]) => (Array.isArray(value) ? value.join(', ') : String(value ?? ''));
const ms = (value: ErrorData[string], words: Words) => (typeof value === 'number' ? words.duration(value) : undefined);
const size = (value: ErrorData[string], words: Words) => (typeof value === 'number' ? words.bytes(value) : undefined);

/** A text for each step of a plan, in each language: what is missing does not compile. */
const STEPS: Record<Language, Record<PlanStepCode, StepText>> = {
  en: {
    approve: (d) =>
      d.mode === 'second'
        ? 'wait until a second person approves it'
        : 'wait until a second person approves it (or, where there is none, you once more)',
    wait_for_device: (d) => `wait for ${string(d.device) || 'the device'}, which is offline`,
    fetch: (d, words) => `fetch it from ${string(d.source)}${paren(size(d.size, words))}`,
    verify: (d) =>
      d.backup ? `check that backup ${string(d.backup)} is whole` : 'verify that it is what the source promised',
    back_up: (d) =>
      d.off
        ? 'back up nothing: backups are switched off'
        : string(d.paths)
          ? `back up ${string(d.paths)}`
          : 'back up nothing: no data is kept',
    stop: (d, words) =>
      `stop ${string(d.app)}${d.grace === undefined ? '' : ` (it gets ${ms(d.grace, words)} to end)`}`,
    switch: (d) => `switch over${d.from ? ` from ${string(d.from)}` : ''} to ${string(d.to)}`,
    restore_data: (d) =>
      d.backup
        ? `set aside the data that is there, and put that of backup ${string(d.backup)} in its place`
        : `put back the data of the backup${paren(string(d.paths))}`,
    start: (d) => `start ${string(d.app)} ${string(d.version)}`.trim(),
    probe: (d, words) =>
      `check that it works${d.address ? ` at ${string(d.address)}` : ''}${d.checks ? `: ${string(d.checks)} good answers in a row` : ''}${d.for ? ` over ${ms(d.for, words)}` : ''}`,
    commit: (d) => `keep it${d.version ? `; ${string(d.version)} stays as the version to go back to` : ''}`,
    go_back: (d) =>
      d.backup
        ? 'if anything fails: go back to the data from before'
        : `if anything fails: go back${d.version ? ` to ${string(d.version)}` : ''}, ${d.off ? 'without bringing its data back' : 'with its data'}`,
  },
  zh: {
    approve: (d) => (d.mode === 'second' ? '等待另一个人批准' : '等待另一个人批准（若没有其他人，则由您再确认一次）'),
    wait_for_device: (d) => `等待离线的 ${string(d.device) || '设备'} 上线`,
    fetch: (d, words) => `从 ${string(d.source)} 下载${paren(size(d.size, words))}`,
    verify: (d) => (d.backup ? `检查备份 ${string(d.backup)} 是否完整` : '校验与来源所承诺的一致'),
    back_up: (d) =>
      d.off ? '不做备份：备份已关闭' : string(d.paths) ? `备份 ${string(d.paths)}` : '没有需要备份的数据',
    stop: (d, words) => `停止 ${string(d.app)}${d.grace === undefined ? '' : `（最多等 ${ms(d.grace, words)}）`}`,
    switch: (d) => `${d.from ? `从 ${string(d.from)} ` : ''}切换到 ${string(d.to)}`,
    restore_data: (d) =>
      d.backup
        ? `把当前数据移到一旁，放入备份 ${string(d.backup)} 的数据`
        : `恢复备份中的数据${paren(string(d.paths))}`,
    start: (d) => `启动 ${string(d.app)} ${string(d.version)}`.trim(),
    probe: (d, words) =>
      `检查是否正常${d.address ? `：${string(d.address)}` : ''}${d.checks ? `，连续 ${string(d.checks)} 次正常应答` : ''}${d.for ? `，持续 ${ms(d.for, words)}` : ''}`,
    commit: (d) => `保留新版本${d.version ? `；${string(d.version)} 留作可回退的版本` : ''}`,
    go_back: (d) =>
      d.backup
        ? '若有任何失败：回到原来的数据'
        : `若有任何失败：${d.version ? `回到 ${string(d.version)}` : '回退'}，${d.off ? '数据不恢复' : '数据一并恢复'}`,
  },
};

const TEXT = {
  en: {
    title: (plan: Plan) =>
      `${plan.backup === undefined ? what(plan) : `Restore of backup ${plan.app}/${plan.backup}`}: what would be done`,
    size: 'download',
    source: 'source',
    nothing: 'Nothing has been changed.',
    next: 'Do it',
  },
  zh: {
    title: (plan: Plan) =>
      `${plan.backup === undefined ? what(plan) : `恢复备份 ${plan.app}/${plan.backup}`}：将要执行的步骤`,
    size: '下载',
    source: '来源',
    nothing: '没有做任何改动。',
    next: '执行',
  },
};

/** A plan as a card. @param command does it */
export function renderPlan(
  plan: Plan,
  command: string,
  { words, language }: Pick<CommandContext, 'words' | 'language'>,
): Reply {
  const text = TEXT[language];
  return {
    tone: 'info',
    title: text.title(plan),
    text: [...plan.steps.map(({ code, data }, i) => `${i + 1}. ${STEPS[language][code](data, words)}`), text.nothing],
    fields: [
      ...(plan.source ? [{ name: text.source, value: plan.source }] : []),
      ...(plan.size === undefined ? [] : [{ name: text.size, value: words.bytes(plan.size) }]),
    ],
    buttons: [{ label: text.next, command, style: 'primary' }],
    hints: [command],
  };
}

function what(plan: Plan): string {
  return [plan.app, plan.from, plan.from && plan.to ? '→' : '', plan.to].filter((part) => part).join(' ');
}

function paren(value: string | undefined): string {
  return value ? ` (${value})` : '';
}
