import { words } from '../../../agent/restart/command-line.ts';
import { isWhereverSigned } from '../../../agent/source-of.ts';
import { type AppConfig, argumentText, type DeviceConfig, type ToolConfig } from '../../../config/agent-schema.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { describeSource, type Source } from '../../domain/app.ts';
import { durationText } from '../config/schema.ts';

/** A device's file in sentences that a person can audit: who decides, what is run as whom, what is written. Pure. */

/** Keys that say whom a source is trusted through; absent where no such key is set. */
type Trust = { readonly trust?: string | undefined; readonly keys?: readonly string[] | undefined };

const command = (of: NonNullable<AppConfig['run']>) => `\`${words(of).join(' ')}\``;
const list = (all: readonly string[]) => all.join(', ');

export function appSentences(name: string, app: AppConfig, layout: HomeLayout): string[] {
  return [
    ...releases(name, app),
    ...runs(app),
    writes(name, app, layout),
    app.source === undefined && !isWhereverSigned(app)
      ? 'A hub can have it restarted and rolled back, a backup put back, and read the end of its log.'
      : `A hub can have it updated to ${app.source ? 'a release of that source' : 'such a release'} (${app.downgrade === 'any' ? 'also an older one' : 'never to one that is older, but back to the last good one'}), restarted and rolled back, a backup put back, and read the end of its log.`,
  ];
}

function releases(name: string, app: AppConfig): string[] {
  const { source, channel, build } = app;
  if (source === undefined && isWhereverSigned(app)) {
    return [
      `Releases come from wherever the hub says, channel ${channel}: https, and no service of this machine unless the hub is on it, too.`,
      signedByKeys(name, app.keys),
    ];
  }
  if (source === undefined) return ['It is kept running, and never updated: it has no source.'];
  const built =
    build === undefined ? [] : [`Each release is built with \`${build}\`, by a shell, as the user of Fettle.`];
  return [`Releases come from ${describeSource(source)}, channel ${channel}.`, ...trust(name, app, source), ...built];
}

function trust(name: string, app: AppConfig & Trust, source: Source): string[] {
  if (source.kind === 'git') {
    const refs = app.refs ?? (source.ref === undefined ? undefined : [source.ref]);
    const where = refs === undefined ? 'its tags that are versions, or its default branch' : list(refs);
    return [
      `Only what ${where} ${refs !== undefined && refs.length === 1 ? 'leads' : 'lead'} to is taken, whatever a hub orders.`,
      app.signedBy === undefined
        ? 'Nobody has to sign: whoever can push there decides what runs here.'
        : `Commits, and tags of releases, must be signed by ${app.signedBy.length === 1 ? '' : 'one of '}${list(app.signedBy.map(signerText))}.`,
    ];
  }
  if (app.keys !== undefined && app.keys.length > 0) {
    return [signedByKeys(name, app.keys)];
  }
  if (app.trust === 'none')
    return ['Nobody has to sign, and nothing is checked beyond the digest that the source names.'];
  return [
    source.kind === 'npm'
      ? `Nobody has to sign beyond the registry: whoever can publish ${source.package} decides what runs here.`
      : 'No key is named: whoever can write there decides what would run here.',
  ];
}

const signedByKeys = (name: string, keys: readonly string[]) =>
  `Each release must be signed for ${name} by ${keys.length === 1 ? 'the key' : 'one of the keys'} ${list(keys)}.`;

function signerText(signer: NonNullable<AppConfig['signedBy']>[number]): string {
  if (signer.kind === 'openpgp') return `OpenPGP ${signer.fingerprint}`;
  const [, type = '', key = '', comment = ''] = /((?:ssh|ecdsa|sk)-\S+) (\S+) ?(.*)$/.exec(signer.line) ?? [];
  const who = signer.line.startsWith('* ') ? comment : signer.line.split(' ')[0];
  return `${type} …${key.slice(-12)}${who ? ` (${who})` : ''}`;
}

function runs({ run, binary, restart, user, stop, healthy, rehearse, notNow, backup }: AppConfig): string[] {
  const as = user === undefined ? 'as the user of Fettle' : `as ${user}`;
  const main =
    restart.kind === 'systemd'
      ? `systemd starts and stops it: ${restart.user ? "this user's " : ''}unit ${restart.unit}, and no other.`
      : restart.kind === 'command'
        ? `It is started with ${command(restart.start)} and stopped with ${command(restart.stop)}, ${as}.`
        : `${command(run ?? binary ?? '')} is run ${as}.`;
  const more = [
    ...(restart.kind === 'command' && restart.status !== undefined ? [command(restart.status)] : []),
    ...(stop.drain === undefined ? [] : [command(stop.drain)]),
    ...(healthy.command === undefined ? [] : [command(healthy.command)]),
    ...(rehearse?.kind === 'command' ? [command(rehearse.command)] : []),
    ...(notNow?.command === undefined ? [] : [command(notNow.command)]),
    ...(backup.command === undefined ? [] : [command(backup.command)]),
    ...(backup.restore === undefined ? [] : [command(backup.restore)]),
  ];
  const lock = notNow?.file ?? (notNow?.command === undefined ? undefined : command(notNow.command));
  return [
    main,
    ...(more.length === 0 ? [] : [`Beside it, for updates: ${list(more)}.`]),
    ...(lock === undefined ? [] : [`It is not stopped while ${lock} says not now, unless a person forces it.`]),
  ];
}

function writes(name: string, { keep, binary, data }: AppConfig, layout: HomeLayout): string {
  const { dir, shared } = layout.app(name);
  const kept =
    keep.length === 0
      ? 'it keeps no data'
      : `its data (${list(keep)}) is in ${binary === undefined ? shared : (data ?? 'the folder of the executable')}`;
  return `Written: ${dir}${binary === undefined ? '' : ` and ${binary}`}; ${kept}.`;
}

export function toolSentences(tool: ToolConfig): string[] {
  const args = Object.entries(tool.args).map(
    ([name, argument]) => `${name}${argument.optional ? ' (may be left out)' : ''}: ${argumentText(argument)}`,
  );
  return [
    `\`${tool.run.join(' ')}\` is run ${tool.user === undefined ? 'as the user of Fettle' : `as ${tool.user}`}, in ${tool.cwd ?? '/'}, without a shell, for ${durationText(tool.timeout)} at most.`,
    args.length === 0 ? 'Nothing of it can be chosen.' : `Chosen from outside, each one argument: ${args.join('; ')}.`,
    `${tool.role === 'admin' ? 'Admins' : 'Operators'} may ask for it.`,
  ];
}

export function hubSentences({ updates, policyKey, tools, fettle }: DeviceConfig): string[] {
  const named = Object.keys(tools);
  return [
    'A hub can ask for what is said here, and for nothing else: no other app, path, command, source or tool.',
    named.length === 0
      ? 'It can run no tool: none is named.'
      : `It can run ${named.length === 1 ? 'one tool' : `${named.length} tools`}: ${list(named)}.`,
    `Backups that are younger than ${durationText(updates.keepBackups)} stay, whatever it says.`,
    fettle.source === undefined && fettle.keys.length > 0
      ? `Fettle itself is updated from wherever the hub says, to what ${list(fettle.keys)} signed.`
      : fettle.source === undefined
        ? 'Fettle itself is not updated from afar: no source is named for it.'
        : `Fettle itself is updated from ${describeSource(fettle.source)}.`,
    policyKey === undefined
      ? 'Nothing from afar can replace this file.'
      : `This file can be replaced from afar by whoever has the secret half of ${policyKey}, and by nobody else.`,
  ];
}
