import { closest } from 'fastest-levenshtein';
import { stringify } from 'yaml';
import { openSlots } from '../../../agent/install/slots.ts';
import { words } from '../../../agent/restart/command-line.ts';
import { isWhereverSigned } from '../../../agent/source-of.ts';
import { type AppConfig, signerName } from '../../../config/agent-schema.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { parseConfig } from '../../../config/load.ts';
import { isAgentFile } from '../../../config/load-device.ts';
import { readFile, whereIs } from '../../../config/parse.ts';
import { describeSource, type Source } from '../../domain/app.ts';
import { FettleError } from '../../domain/errors.ts';
import { trustOf } from '../../domain/trust.ts';
import { EXAMPLES } from './examples.ts';
import { defaultOf, durationText, groupOf, nodeAt, schemas, typeOf } from './schema.ts';

/** `fettle config explain [KEY | APP]`: what a key means and is set to; how an app is treated. */

export interface ExplainOptions {
  readonly layout: HomeLayout;
  readonly file: string;
  readonly what: string | undefined;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

/** @throws {FettleError} `bad_arguments` for what is neither a key nor an app; {ConfigError} where an app's file is broken */
export function explainConfig(options: ExplainOptions): void {
  const { what } = options;
  if (what === undefined) explainAll(options);
  else if (Object.hasOwn(appsIn(options), what)) explainApp(options, what);
  else explainKey(options, what);
}

/** The apps that the file names, also where it is not right in other ways. */
function appsIn({ file }: ExplainOptions): Record<string, unknown> {
  const { value } = whereIs(readFile(file), ['apps']);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function explainAll(options: ExplainOptions): void {
  const { print, json, file } = options;
  const apps = Object.keys(appsIn(options));
  const keys = Object.entries(schemas().written.properties ?? {}).map(([key, node]) => ({
    key,
    means: node.description ?? '',
  }));
  if (json) {
    print(JSON.stringify({ file, apps, keys }));
    return;
  }
  print(`${file}: ${apps.length === 0 ? 'no apps' : apps.join(', ')}`);
  for (const { key, means } of keys) print(`  ${key.padEnd(12)} ${means}`);
  print('More of a key: fettle config explain apps.NAME.healthy    Of an app: fettle config explain APP');
}

function explainKey({ file, what, json, print }: ExplainOptions, asked = what ?? ''): void {
  const path = asked.split('.').filter((part) => part !== '');
  const found = nodeAt(path);
  // `healthy.for` is meant within an app.
  const full = found ? path : nodeAt(['apps', 'NAME', ...path]) ? ['apps', 'NAME', ...path] : undefined;
  const at = full && nodeAt(full);
  if (!full || !at) throw unknownKey(path, asked);
  const { node, read } = at;
  const text = readFile(file);
  const general = full.map((part, index) => (index === 1 && full[0] === 'apps' ? 'NAME' : part));
  const places =
    full[0] === 'apps' && full[1] === 'NAME'
      ? Object.keys(whereIs(text, ['apps']).value ?? {}).map((app) => ['apps', app, ...full.slice(2)])
      : [full];
  const set = places.flatMap((place) => {
    const { line, value } = whereIs(text, place);
    return value === undefined ? [] : [{ key: place.join('.'), line, value: hidden(place, value) }];
  });
  const keys = Object.entries(
    groupOf(node)?.properties ??
      (typeof node.additionalProperties === 'object' ? (node.additionalProperties.properties ?? {}) : {}),
  );
  const examples = EXAMPLES[general.join('.')] ?? [];
  const fallback = defaultOf(node, read).replaceAll('`', '');
  if (json) {
    const inside = keys.map(([key, { description }]) => ({ key, means: description ?? '' }));
    print(
      JSON.stringify({
        key: general.join('.'),
        means: node.description ?? '',
        value: typeOf(node),
        default: fallback,
        set,
        examples,
        keys: inside,
      }),
    );
    return;
  }
  print(`${general.join('.')}: ${node.description ?? ''}`);
  print(`  value    ${typeOf(node).replaceAll('`', '')}`);
  if (fallback !== '') print(`  default  ${fallback}`);
  for (const { key, line, value } of set) print(`  here     ${key}: ${inline(value)}   (${file}:${line})`);
  if (set.length === 0) print(`  here     not set in ${file}`);
  for (const example of examples) print(`  example  ${general.at(-1)}: ${inline(example)}`);
  for (const [key, { description }] of keys) print(`  .${key.padEnd(12)} ${description ?? ''}`);
}

function unknownKey(path: readonly string[], asked: string): FettleError {
  const known = keysBelow([]);
  const full = path[0] === 'apps' ? ['apps', 'NAME', ...path.slice(2)].join('.') : asked;
  const nearest = closest(full, [...known, ...known.map((key) => key.replace('apps.NAME.', ''))]);
  return new FettleError('bad_arguments', {
    data: { reason: `“${asked}” is neither a key nor an app of the file. Did you mean ${nearest}?` },
  });
}

function keysBelow(path: readonly string[]): string[] {
  const at = nodeAt(path);
  if (!at) return [];
  const group = groupOf(at.node);
  if (!group && typeof at.node.additionalProperties === 'object' && at.node.additionalProperties.properties)
    return keysBelow([...path, 'NAME']);
  return Object.keys(group?.properties ?? {}).flatMap((key) => [
    [...path, key].join('.'),
    ...keysBelow([...path, key]),
  ]);
}

/** Values of variables may be secrets. */
function hidden(place: readonly string[], value: unknown): unknown {
  if (place[2] === 'env') {
    if (place.length > 3) return '…';
    return Object.fromEntries(Object.keys((value as object | null) ?? {}).map((key) => [key, '…']));
  }
  if (place.length === 2 && place[0] === 'apps' && typeof value === 'object' && value !== null && 'env' in value)
    return { ...(withoutUsers(value) as object), env: hidden(['apps', '', 'env'], value.env) };
  if (place.length === 1 && place[0] === 'apps')
    return Object.fromEntries(
      Object.entries((value as object | null) ?? {}).map(([app, of]) => [app, hidden(['apps', app], of)]),
    );
  return withoutUsers(value);
}

/** Addresses of proxies and sources may have a name and a password in them. */
function withoutUsers(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/(:\/\/)[^\s/?#@]{1,2000}@/g, '$1…@');
  if (Array.isArray(value)) return value.map(withoutUsers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, withoutUsers(of)]));
}

function inline(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trim();
}

function trustText(config: AppConfig): string {
  const { source, keys, signedBy } = config;
  switch (trustOf(config)) {
    case 'signed':
      return `only what ${[...keys, ...(signedBy ?? []).map(signerName)].join(' or ')} signed`;
    case 'source':
      return source ? `what ${describeSource(source)} says itself, asked by this device` : 'nothing: it has no source';
    case 'none':
      return 'not verified: nobody vouches for its releases';
  }
}

function explainApp({ layout, file, json, print }: ExplainOptions, app: string): void {
  const config = parseConfig(readFile(file), file).apps[app] as AppConfig;
  const lines = [
    ['releases', config.source ? releasesText(config.source, config) : unsourcedText(config, file)],
    ['trust', trustText(config)],
    ['installed', installedText(layout, app, config)],
    ['starts', startText(config)],
    [
      'stops',
      `${config.stop.drain ? `${command(config.stop.drain)} first; then ` : ''}${config.stop.signal}, and SIGKILL ${durationText(config.stop.grace)} later`,
    ],
    ['well when', healthText(config)],
    ['keeps', keepText(layout, app, config)],
    ['backup', backupText(config)],
    ['update', updateText(config)],
    [
      'allows',
      `${config.downgrade === 'any' ? 'any older release' : 'going back to the last good release only'}; downloads up to ${size(config.maxDownload)}, releases up to ${size(config.maxUnpacked)}${config.scripts ? '; install scripts run' : ''}`,
    ],
  ] as const;
  if (json) {
    print(JSON.stringify({ app, ...Object.fromEntries(lines) }));
    return;
  }
  print(`${app}, as ${file}:${whereIs(readFile(file), ['apps', app]).line} has it`);
  for (const [title, text] of lines) print(`  ${title.padEnd(10)} ${text}`);
}

const command = (of: NonNullable<AppConfig['run']>) => words(of).join(' ');
const size = (bytes: number) => (bytes >= 1e9 ? `${bytes / 1e9} GB` : `${bytes / 1e6} MB`);

/** A device's file may leave it to the hub; a hub's own may not. */
function unsourcedText(config: AppConfig, file: string): string {
  return isAgentFile(file) && isWhereverSigned(config)
    ? `wherever the hub's order says, channel ${config.channel}`
    : 'none: it is kept running, and never updated';
}

function releasesText(source: Source, { channel, build }: AppConfig): string {
  return `${describeSource(source)}, channel ${channel}${build === undefined ? '' : `; made by \`${build}\``}`;
}

function installedText(layout: HomeLayout, app: string, { binary }: AppConfig): string {
  if (binary !== undefined) return binary;
  const folder = layout.app(app);
  const slots = openSlots(folder);
  const current = slots.current();
  if (current === undefined) return `nothing yet: /update now ${app} installs it`;
  const good = slots.lastGood();
  const back = good !== undefined && good !== current ? `; last good: ${slots.record(good)?.version ?? good}` : '';
  return `${slots.record(current)?.version ?? current}${back}`;
}

function startText({ run, binary, restart, user, env }: AppConfig): string {
  const names = Object.keys(env);
  const as = user === undefined ? '' : `, as ${user}`;
  const with_ = names.length === 0 ? '' : `, with ${names.join(', ')}`;
  switch (restart.kind) {
    case 'systemd':
      return `by systemd: ${restart.user ? "this user's " : ''}unit ${restart.unit}`;
    case 'command':
      return `by ${command(restart.start)}`;
    case 'kept':
    case 'signal':
      return `${command(run ?? binary ?? '')}${as}${with_}; kept running by Fettle${restart.kind === 'signal' ? `, replaces itself at ${restart.signal}` : ''}`;
  }
}

function healthText({ healthy }: AppConfig): string {
  const checks = [
    'its process runs',
    healthy.http === undefined
      ? undefined
      : `${healthy.http} answers 2xx${healthy.version === undefined ? '' : ` with the new version at ${healthy.version}`}`,
    healthy.tcp === undefined ? undefined : `${healthy.tcp.host}:${healthy.tcp.port} takes connections`,
    healthy.command === undefined ? undefined : `\`${command(healthy.command)}\` ends with status 0`,
    healthy.log === undefined ? undefined : `its log says "${healthy.log}"`,
    healthy.notify ? 'it has said READY=1' : undefined,
  ].filter((check) => check !== undefined);
  return `${checks.join(', ')}; ${healthy.checks} times in a row and for ${durationText(healthy.for)}`;
}

function keepText(layout: HomeLayout, app: string, { keep, binary, data }: AppConfig): string {
  if (keep.length === 0) return 'nothing: what it writes into its folder is gone with the next release';
  return `${keep.join(', ')}, in ${binary === undefined ? layout.app(app).shared : (data ?? 'the folder of the executable')}`;
}

function backupText({ backup, keep }: AppConfig): string {
  const paths = backup.paths ?? keep;
  const parts = [...paths, ...(backup.command === undefined ? [] : [`what \`${command(backup.command)}\` prints`])];
  if (parts.length === 0) return 'none: there is nothing to save';
  return `before each switch: ${parts.join(', ')}${backup.required ? '' : '; an update goes on without'}`;
}

function updateText({ rehearse, notNow, deadlines, healthy, keep }: AppConfig): string {
  const steps = [
    'fetched while the old version serves',
    rehearse === undefined
      ? undefined
      : rehearse.kind === 'command'
        ? `tried with \`${command(rehearse.command)}\``
        : 'tried on a copy of the data',
    notNow === undefined
      ? undefined
      : `not while ${notNow.file ?? `\`${command(notNow.command ?? '')}\``} says not now`,
    'stopped, data saved, switched, started',
    `watched for ${durationText(healthy.for)}, at most ${durationText(deadlines.probing ?? 120_000)}`,
    `else the old version${keep.length > 0 ? ' and its data come' : ' comes'} back`,
  ];
  return steps.filter((step) => step !== undefined).join('; ');
}
