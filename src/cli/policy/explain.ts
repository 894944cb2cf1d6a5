import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { AppConfig, DeviceConfig, ToolConfig } from '../../../config/agent-schema.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { parseDevice } from '../../../config/load-device.ts';
import { ConfigError, readFile } from '../../../config/parse.ts';
import { FettleError } from '../../domain/errors.ts';
import { readPublicKey } from '../../origin/minisign.ts';
import { appSentences, hubSentences, toolSentences } from './sentences.ts';

/** `fettle agent --check`: what a device's file comes to, in sentences, with warnings of what is wide open. */

export interface ExplainPolicy {
  readonly layout: HomeLayout;
  readonly file: string;
  /** PATH, in which tools' programs are looked for. */
  readonly path: string;
  /** Is there a user of that name or number? */
  readonly hasUser: (name: string) => boolean;
  readonly print: (line: string) => void;
}

interface Finding {
  readonly level: 'warning' | 'wrong';
  readonly text: string;
}

/** 0: nothing is wrong (there may be warnings); 1: something is. Changes nothing. @throws {FettleError} `config_missing` */
export function explainPolicy(options: ExplainPolicy): number {
  const { file, layout, print } = options;
  if (!existsSync(file)) throw new FettleError('config_missing', { data: { file } });
  let config: DeviceConfig;
  try {
    config = parseDevice(readFile(file), file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { line, key, expected, nearest } of error.problems) {
      print(`${file}:${line}: ${key}: ${expected}.${nearest === undefined ? '' : ` Did you mean ${nearest}?`}`);
    }
    print(
      `${error.problems.length === 1 ? 'One thing is' : `${error.problems.length} things are`} wrong: an agent does not start with this file.`,
    );
    return 1;
  }
  print(`${file}: what this device does, and for whom`);
  section(print, 'The hub', hubSentences(config));
  for (const [name, app] of Object.entries(config.apps)) section(print, `App ${name}`, appSentences(name, app, layout));
  for (const [name, tool] of Object.entries(config.tools)) section(print, `Tool ${name}`, toolSentences(tool));
  const findings = findingsOf(config, options);
  const wrong = findings.filter(({ level }) => level === 'wrong');
  if (findings.length > 0) print('');
  for (const { level, text } of findings) print(`${level === 'wrong' ? 'Wrong' : 'Warning'}: ${text}`);
  print('');
  const warnings = findings.length - wrong.length;
  const warned = warnings === 0 ? '' : ` ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}.`;
  print(
    wrong.length === 0
      ? `Nothing is wrong.${warned}`
      : `${wrong.length} ${wrong.length === 1 ? 'thing is' : 'things are'} wrong.${warned}`,
  );
  return wrong.length === 0 ? 0 : 1;
}

function section(print: (line: string) => void, title: string, sentences: readonly string[]): void {
  print('');
  print(title);
  for (const sentence of sentences) print(`  ${sentence}`);
}

function findingsOf(config: DeviceConfig, options: ExplainPolicy): Finding[] {
  const insecure = 'allowInsecure' in config && config.allowInsecure === true;
  return [
    ...(insecure ? [warning('allowInsecure: what hub and agent say to each other can be read on the way.')] : []),
    ...keyFindings(config),
    ...Object.entries(config.apps).flatMap(([name, app]) => appFindings(name, app, options)),
    ...Object.entries(config.tools).flatMap(([name, tool]) => toolFindings(name, tool, options)),
  ];
}

function keyFindings({ policyKey }: DeviceConfig): Finding[] {
  if (policyKey === undefined) return [];
  try {
    readPublicKey(policyKey);
    return [];
  } catch {
    return [wrong('policyKey is no public key of minisign.')];
  }
}

function appFindings(name: string, app: AppConfig & { readonly trust?: string | undefined }, options: ExplainPolicy) {
  const found: Finding[] = [];
  const own = app.restart.kind === 'kept' || app.restart.kind === 'signal';
  if (app.trust === 'none')
    found.push(warning(`${name}: trust none: whoever controls its source or the way to it decides what runs here.`));
  if (app.downgrade === 'any')
    found.push(warning(`${name}: downgrade any: a hub can bring back an old release, with its holes.`));
  if (app.scripts) found.push(warning(`${name}: scripts: installing runs scripts of every package that it needs.`));
  if (app.build !== undefined && app.user !== undefined && app.signedBy === undefined)
    found.push(
      warning(
        `${name}: build: it runs as the user of Fettle, and not as ${app.user}. Whoever can push to its references decides what it does: \`signedBy\` says whose commits count.`,
      ),
    );
  if (own && app.user === undefined)
    found.push(
      warning(
        `${name} runs as the user of Fettle, and can read and change Fettle's home. Give it a \`user\` of its own.`,
      ),
    );
  if (app.user !== undefined && !options.hasUser(app.user))
    found.push(wrong(`${name}: this machine has no user ${app.user}.`));
  return found;
}

function toolFindings(name: string, tool: ToolConfig, options: ExplainPolicy): Finding[] {
  const found: Finding[] = [];
  const [program = ''] = tool.run;
  if (!isProgram(program, options.path)) found.push(wrong(`the tool ${name}: there is no program ${program} here.`));
  if (tool.user !== undefined && !options.hasUser(tool.user))
    found.push(wrong(`the tool ${name}: this machine has no user ${tool.user}.`));
  if (tool.user === undefined)
    found.push(warning(`the tool ${name} runs as the user of Fettle. Give it a \`user\`, if it needs no more.`));
  if (tool.cwd !== undefined && !existsSync(tool.cwd))
    found.push(wrong(`the tool ${name}: there is no folder ${tool.cwd}.`));
  if (SHELLS.test(program) && tool.run.some((one) => one.startsWith('{')))
    found.push(
      warning(
        `the tool ${name} gives what comes from outside to ${program}: see that its script never expands it unquoted.`,
      ),
    );
  for (const [argument, of] of Object.entries(tool.args)) {
    if (of.type === 'word' && of.pattern !== undefined && /^(\.\*|\.\+|\\S\+|\[\^.{1,10}\][*+])$/.test(of.pattern))
      found.push(warning(`the tool ${name}: ${argument} takes nearly anything.`));
    for (const root of of.type === 'path' ? of.under : [])
      found.push(...rootFindings(`the tool ${name}: ${argument}`, root));
  }
  return found;
}

const SHELLS = /(^|\/)(sh|bash|dash|zsh|busybox|env|python3?|perl|node|ssh)$/;

function rootFindings(what: string, root: string): Finding[] {
  const stat = statSync(root, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return [wrong(`${what}: there is no folder ${root}.`)];
  return (stat.mode & 0o002) === 0
    ? []
    : [warning(`${what}: everybody may write in ${root}, and could swap a folder for a link in between.`)];
}

function isProgram(program: string, path: string): boolean {
  const places = isAbsolute(program) ? [program] : path.split(delimiter).map((folder) => join(folder, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return statSync(place).isFile();
    } catch {
      return false;
    }
  });
}

const warning = (text: string): Finding => ({ level: 'warning', text });
const wrong = (text: string): Finding => ({ level: 'wrong', text });
