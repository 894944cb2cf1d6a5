import { existsSync } from 'node:fs';
import type { HubConfig } from '../../../config/hub-schema.ts';
import { ConfigError, parseConfig } from '../../../config/load.ts';
import { isAgentFile, parseDevice } from '../../../config/load-device.ts';
import { readFile, whereIs } from '../../../config/parse.ts';
import { FettleError } from '../../domain/errors.ts';
import { type MachineDeps, machineFindings } from './machine.ts';

/** `fettle config check`: everything that is wrong with a file, with the line. */

export interface CheckOptions extends MachineDeps {
  readonly json: boolean;
  readonly print: (line: string) => void;
}

interface Problem {
  readonly level: 'wrong' | 'note';
  readonly line: number;
  readonly key: string;
  readonly what: string;
  readonly mend?: string | undefined;
}

/** 0: nothing is wrong (there may be notes); 1: something is. @throws {FettleError} `config_missing` */
export async function checkConfig(options: CheckOptions): Promise<number> {
  const { file, json, print } = options;
  if (!existsSync(file)) throw new FettleError('config_missing', { data: { file } });
  const problems = await problemsOf(options);
  const wrong = problems.filter(({ level }) => level === 'wrong').length;
  if (json) {
    print(JSON.stringify({ file, wrong, problems }));
  } else {
    for (const { level, line, key, what, mend } of problems) {
      print(
        `${file}:${line}: ${level === 'note' ? 'note: ' : ''}${key}: ${what}${/[.?]$/.test(what) ? '' : '.'}${mend ? ` ${mend}` : ''}`,
      );
    }
    print(wrong === 0 ? `${file}: nothing is wrong.` : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong.`);
  }
  return wrong === 0 ? 0 : 1;
}

async function problemsOf(options: CheckOptions): Promise<Problem[]> {
  const { file } = options;
  let text: string;
  try {
    text = readFile(file);
    const config = isAgentFile(file) ? deviceAlone(text, file) : parseConfig(text, file);
    const findings = await machineFindings(config, options);
    return findings
      .map(({ level, path, what, mend }) => ({
        level,
        line: whereIs(text, path).line,
        key: path.join('.'),
        what,
        mend,
      }))
      .sort((a, b) => a.line - b.line);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, key, expected, nearest }) => ({
      level: 'wrong' as const,
      line,
      key,
      what: expected,
      mend: nearest === undefined ? undefined : `Did you mean ${nearest}?`,
    }));
  }
}

/** An agent.yaml by its own rules, as what looks at the machine takes it: no hub, no chats. @throws {ConfigError} */
function deviceAlone(text: string, file: string): HubConfig {
  const { apps, fettle, updates, tools } = parseDevice(text, file);
  return { ...parseConfig('hub: {port: 0}', 'fettle.yaml'), apps, fettle, updates, tools };
}
