import type { Refusal, RescueReport } from '../../agent/rescue/contract.ts';
import { problemText } from './rescue-steps.ts';

/** What a rescue came to, in words: first what runs, then what one should know. */
export function reportLines(
  report: RescueReport,
  more: { readonly configProblem?: string | undefined } = {},
): readonly string[] {
  const { app, refusal } = report;
  if (refusal) return refusalLines(app, refusal, more.configProblem);
  return [headline(report), ...updateLines(report), ...nextLines(report).map((line) => `  ${line}`)];
}

function headline(report: RescueReport): string {
  const { app, result, already } = report;
  const name = report.version === undefined ? app : `${app} ${report.version}`;
  const where = [
    ...(report.pid === undefined ? [] : [`process ${report.pid}`]),
    ...(report.address === undefined ? [] : [report.address]),
  ].join(', ');
  const reason = report.problem ? ` ${problemText(report.problem, `${app} is not well`)}.` : '';
  switch (result) {
    case 'well':
      return already ? `${name} runs already and is well (${where}). Nothing was done.` : `${name} runs (${where}).`;
    case 'ill':
      return `${name} runs (${where}), but is not well.${reason}`;
    case 'ended':
      return `${name} was started, but does not stay.${reason}`;
    case 'not-started':
      return `${name} could not be started.${reason}`;
    case 'refused':
      return `${name}: nothing was done.`;
  }
}

function updateLines({ update, app }: RescueReport): string[] {
  if (!update) return [];
  const back = update.state === 'rolled-back';
  const end =
    back && update.dataRestored
      ? `was taken back, with its data${update.setAside ? `; what the new version wrote is in apps/${app}/${update.setAside}` : ''}`
      : back
        ? 'was taken back; its data is as it was left'
        : update.state === 'succeeded'
          ? 'had succeeded'
          : update.state === 'rollback-failed'
            ? 'could not be taken back whole'
            : 'was ended';
  return [`  Its interrupted update ${update.id} ${end}. Whoever asked for it is told when Fettle runs.`];
}

function nextLines(report: RescueReport): string[] {
  const { result, already, app, watched, log, logTail } = report;
  const lines: string[] = [];
  if (already) {
    lines.push(
      `\`fettle rescue ${app} --force\` goes to the version before all the same, \`--to VERSION\` to a given one.`,
    );
  }
  if (logTail !== undefined) lines.push('Its log ends:', ...logTail.split('\n').map((line) => `  ${line}`));
  lines.push(`Its log: ${log}`);
  if (!watched && result !== 'not-started') {
    lines.push('Nobody watches it until Fettle is started: `fettle up --detach`.');
  } else if (watched && result !== 'well') {
    lines.push('The keeper goes on trying to start it.');
  }
  if (result !== 'well') {
    lines.push(`Mend the reason, then \`fettle rescue ${app}\` again; or take another version: \`--to VERSION\`.`);
  }
  return lines;
}

/** Why nothing was done, and what to do. */
export function refusalLines(app: string, refusal: Refusal, configProblem: string | undefined): string[] {
  const pids = 'pids' in refusal && refusal.pids.length > 0 ? ` (process ${refusal.pids.join(', ')})` : '';
  switch (refusal.why) {
    case 'unknown-app':
      return [`There is no app ${app} here. There are: ${refusal.known.join(', ') || 'none'}.`];
    case 'not-installed':
      return [`${app} has no version on this device that could be started. \`/update now ${app}\` installs one.`];
    case 'other-user':
      return [
        `This home belongs to another user (id ${refusal.uid}). Nothing was done.`,
        `  Run it as that user: \`sudo -u '#${refusal.uid}' fettle rescue ${app}\`.`,
      ];
    case 'rescue-runs':
      return ['Another `fettle rescue` is at work on this home. Wait for it, then ask again if need be.'];
    case 'keeper-silent':
      return [
        `The keeper${pids} holds this home and does not answer. Nothing was done.`,
        `  End it (\`kill -9 PID\`; apps go on), then \`fettle rescue ${app}\` again.`,
      ];
    case 'agent-alone':
      return [
        `An agent${pids} that is not under the keeper holds this home. Nothing was done.`,
        `  End it, then \`fettle rescue ${app}\` again.`,
      ];
    case 'update-runs':
      return [
        `${app} is being updated by the agent, which is alive (${refusal.update}, ${refusal.state}). Nothing was done.`,
        `  \`/update status ${refusal.update}\` shows it, \`/update cancel ${refusal.update}\` ends it where that is still possible.`,
        `  \`fettle rescue ${app} --force\` stops the agent and takes the update back.`,
      ];
    case 'no-spec':
      return [
        `How ${app} is started is not known: keeper/keep.json does not say, and the configuration does not either${configProblem ? ` (${configProblem})` : ''}.`,
        `  Mend the configuration, then \`fettle rescue ${app}\` again.`,
      ];
    case 'no-such-slot':
      return [
        `No such whole version of ${app} is on this device. There are: ${refusal.slots.map(({ slot, version }) => (version ? `${version} (${slot})` : `${slot} (not whole)`)).join(', ') || 'none'}.`,
      ];
  }
}
