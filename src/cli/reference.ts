/**
 * Writes docs/commands.md, docs/configuration.md and docs/fettle.schema.json from the declarations (`--write`), or says that they are stale
 * (`--check`, exit code 1). Run by `npm run docs` and `npm run check`; no part of the `fettle` command.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMANDS, type Command } from '../commands/index.ts';
import { usage } from '../commands/usage.ts';
import { defaultOf, type Node, SCHEMA_NAME, schemas, schemaText, typeOf } from './config/schema.ts';

const MADE = '<!-- Made by `npm run docs` from the declarations; edits here are lost. -->';

/** docs/commands.md: every command, in both languages. */
export function commandReference(commands: readonly Command[]): string {
  const overview = commands.map(
    (command) => `| [\`${cell(usage(command))}\`](#${anchor(command)}) | ${cell(command.help.en)} | ${command.role} |`,
  );
  return `${[
    '# Commands',
    MADE,
    'The same in every chat and in the terminal. Who may: viewer < operator < admin; each includes the ones before it.',
    'No app given means `defaultApp`, else the only app besides `hub` and `agent`, else Fettle asks. Flags may stand anywhere. Ids such as `u-7k2m` may be left out where only one fits. Full-width input (`／update`) and `开`/`关` work.',
    ['| command | does | role |', '|---|---|---|', ...overview].join('\n'),
    ...commands.map(commandSection),
  ].join('\n\n')}\n`;
}

function commandSection(command: Command): string {
  const lines = [
    `## ${command.name}`,
    `\`${usage(command)}\` — ${command.role}`,
    `${command.help.en}.  \n${command.help.zh}。`,
  ];
  if (command.arguments.length > 0) {
    lines.push(
      [
        '| argument | means | 说明 |',
        '|---|---|---|',
        ...command.arguments.map(
          ({ written, help, optional, kind }) =>
            `| \`${cell(written)}\`${(optional || kind === 'app') && kind !== 'flag' ? ' (optional)' : ''} | ${cell(help.en)} | ${cell(help.zh)} |`,
        ),
      ].join('\n'),
    );
  }
  lines.push(command.examples.map(({ text, help }) => `- \`${text}\`: ${help.en} / ${help.zh}`).join('\n'));
  if (command.aliases.length > 0) lines.push(`Also: ${command.aliases.map((alias) => `\`/${alias}\``).join(', ')}`);
  if (command.phrases.length > 0) lines.push(`Or say: ${command.phrases.map(({ say }) => say).join(' · ')}`);
  return lines.join('\n\n');
}

function anchor(command: Command): string {
  return command.name.replaceAll(' ', '-');
}

/** docs/configuration.md: every key of `fettle.yaml`. */
export function configurationReference(): string {
  const { written, read } = schemas();
  return `${[
    '# Configuration',
    MADE,
    'One file, `fettle.yaml` in the home (or `--config FILE`), serves hub and agent on one machine. Relative paths start at the file. A key that is not listed here is an error, which names the file, the line and the nearest key. Durations are written with their unit: `500ms`, `90s`, `5m`, `1.5h`, `14d`.',
    ['| key | value | default | means |', '|---|---|---|---|', ...rowsOf(written, read, '')].join('\n'),
    'A device of a fleet has an `agent.yaml` in its home, with `apps`, `fettle`, `updates`, `allowInsecure`, `tools` and `policyKey` alone: [policy.md](policy.md). Where it is there, the agent reads it and not `fettle.yaml`.',
    '## Environment',
    [
      '| variable | means |',
      '|---|---|',
      '| `FETTLE_HOME` | The home: everything that Fettle keeps. Default: `~/.fettle`, or `data` in a checkout. |',
      '| `FETTLE_PORT` | Port of the hub on loopback; 0 takes any free one and keeps it. |',
      '| `FETTLE_GITHUB_TOKEN` | A token for sources `github` at api.github.com that have no `tokenFile`. Apps do not get it; a service does not take it over. |',
      '| `FETTLE_KEY_PASSWORD` | Password of a key that signs, for `fettle keygen`, `sign`, `publish`, `rotate` and `policy sign`. Nothing else is given it. |',
      '| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | For what is fetched. |',
      '| `NO_COLOR` | No colours in the terminal. |',
      '| `LC_ALL`, `LC_MESSAGES`, `LANG` | Language of the terminal: `zh…` is Chinese, everything else English. |',
    ].join('\n'),
  ].join('\n\n')}\n`;
}

function rowsOf(written: Node, read: Node | undefined, prefix: string): string[] {
  return Object.entries(written.properties ?? {}).flatMap(([name, node]) => {
    const key = `${prefix}${name}`;
    const output = read?.properties?.[name];
    const inside = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
    const outputInside = typeof output?.additionalProperties === 'object' ? output.additionalProperties : undefined;
    const required = written.required?.includes(name) === true;
    return [
      `| \`${key}\` | ${cell(typeOf(node))} | ${required ? 'required' : cell(defaultOf(node, output))} | ${cell(node.description ?? '')} |`,
      ...rowsOf(node.properties ? node : alternatives(node), output, `${key}.`),
      ...(inside?.properties ? rowsOf(inside, outputInside, `${key}.NAME.`) : []),
    ];
  });
}

/** The keys of a value that is a map in one of several ways of writing it; of two maps (`github`, `gitea`) each key once. */
function alternatives({ anyOf = [] }: Node): Node {
  const maps = anyOf.filter((one) => one.properties !== undefined);
  const properties = Object.assign({}, ...maps.toReversed().map((one) => one.properties));
  return maps.length === 1 ? (maps[0] as Node) : { properties };
}

/** Inside a table's cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function main(mode: string | undefined): number {
  const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
  const pages = {
    'commands.md': commandReference(COMMANDS),
    'configuration.md': configurationReference(),
    [SCHEMA_NAME]: schemaText(),
  };
  if (mode === '--write') {
    for (const [name, text] of Object.entries(pages)) writeFileSync(`${docs}${name}`, text);
    return 0;
  }
  if (mode !== '--check') {
    console.error('usage: node src/cli/reference.ts --write | --check');
    return 2;
  }
  const stale = Object.entries(pages).filter(([name, text]) => readOr(`${docs}${name}`) !== text);
  for (const [name] of stale) console.error(`docs/${name} is stale: run \`npm run docs\``);
  return stale.length > 0 ? 1 : 0;
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv[2]);
