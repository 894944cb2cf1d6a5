import type { RescueReport, Step } from '../../agent/rescue/contract.ts';
import { rescueApp } from '../../agent/rescue/rescue.ts';
import { type DeviceCommand, deviceOptions, INTERRUPTED, logRescue } from './device-options.ts';
import { stepLine } from './rescue-steps.ts';
import { reportLines } from './rescue-text.ts';

export interface RunRescueOptions extends DeviceCommand {
  readonly to: string | undefined;
  readonly keepData: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** `fettle rescue APP`. 0: it runs and is well · 1: it runs but is ill, or ended · 2: not started, or refused. */
export async function runRescue(options: RunRescueOptions): Promise<number> {
  const { layout, app, json, print } = options;
  const say = (step: Step) => {
    const line = stepLine(app, step);
    logRescue(layout, line);
    if (!json) print(line);
  };
  const { rescue, problem } = await deviceOptions(options, say);
  const told = rescue.signal;
  if (problem !== undefined && !json) print(`${app}: the configuration can't be read: ${problem}`);
  try {
    const report = await rescueApp({ ...rescue, to: options.to, keepData: options.keepData, force: options.force });
    const lines = reportLines(report, { configProblem: problem });
    for (const line of lines) logRescue(layout, line);
    if (json)
      print(JSON.stringify({ ...report, exit: exitOf(report), ...(problem ? { configuration: problem } : {}) }));
    else for (const line of lines) print(line);
    return exitOf(report);
  } catch (error) {
    if (!told.aborted) throw error;
    if (json) print(JSON.stringify({ app, result: 'interrupted', exit: INTERRUPTED }));
    else print(`${app}: interrupted. \`fettle rescue ${app}\` goes on from here.`);
    return INTERRUPTED;
  }
}

function exitOf({ result }: RescueReport): number {
  if (result === 'well') return 0;
  return result === 'ill' || result === 'ended' ? 1 : 2;
}
