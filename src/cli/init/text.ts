import type { Runner, Step } from './contract.ts';
import type { Plan } from './plan.ts';
import { topmost } from './processes.ts';

/** What is printed: what was found, what would be done, what was done. */

export function foundLines({ found, runners, app }: Plan): string[] {
  const lines = [`${found.path}: ${found.what}${found.version === undefined ? '' : `, version ${found.version}`}`];
  lines.push(...runners.map((runner) => `It runs: ${runnerText(runner)}`));
  lines.push(...found.keep.map(({ path, why }) => `Kept: ${path} (${why})`));
  lines.push(...found.notes.map((note) => `Note: ${note}`));
  lines.push(`Its name will be ${app}.`);
  return lines;
}

function runnerText({ pid, command, ports, by }: Runner): string {
  const where = ports.length > 0 ? `, port ${ports.join(', ')}` : '';
  return `pid ${pid} (${command})${where}, ${by.kind === 'hand' ? 'started by hand' : `kept by ${by.name}`}`;
}

/** The plan as numbered steps, and the lines of the file. */
export function planLines(plan: Plan, stops: readonly number[]): string[] {
  const left = plan.runners.filter(({ pid }) => !stops.includes(pid));
  const pids = (runners: readonly Runner[]) => runners.map(({ pid }) => pid).join(', ');
  const texts = [
    ...(stops.length > 0 ? [`stop pid ${stops.join(', ')}`] : []),
    ...(left.length > 0
      ? [`need pid ${pids(left)} ended: stop it yourself, or give --stop-pid ${stopPidsOf(left)}`]
      : []),
    ...(plan.account === undefined ? [] : [`make the user ${plan.account} for it (\`--user root\`: none)`]),
    ...plan.steps.flatMap((step) => stepText(step, plan) ?? []),
  ];
  return [
    ...texts.map((text, index) => `  ${index + 1}. ${text}`),
    ...withoutPasswords(plan.entry)
      .split('\n')
      .map((line) => `       ${line}`),
  ];
}

/** What `--stop-pid` takes to end them all. */
export function stopPidsOf(runners: readonly Runner[]): string {
  return topmost(runners)
    .map(({ pid }) => pid)
    .join(',');
}

/** Addresses may hold tokens; the file has them, a terminal need not. */
export function withoutPasswords(text: string): string {
  return text.replace(/(\w:\/\/)[^/@\s]+@/g, '$1…@');
}

/** In words; `undefined` where it is a part of another. */
export function stepText(step: Step, { size }: Pick<Plan, 'size'>): string | undefined {
  switch (step.do) {
    case 'copy': {
      const much = size === undefined ? 'the code' : `${size.files} files, ${bytes(size.bytes)},`;
      return `copy ${much} to releases/${step.slot}: what an update can go back to`;
    }
    case 'keep':
      return `move ${step.path} to ${step.to}, with a link in its place`;
    case 'binary':
      return `take ${step.path} as it is for version ${step.version}: what an update can go back to`;
    case 'seal':
    case 'point':
      return undefined;
    case 'write':
      return `${step.before === null ? 'write' : 'add to'} ${step.path}${step.is === 'config' ? ':' : ', and tell systemd'}`;
  }
}

export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(0)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}

/** Lines of configuration that are no comments. */
export function configurationLines(entry: string): number {
  return entry.split('\n').filter((line) => line.trim() !== '' && !/^\s*#/.test(line)).length;
}
