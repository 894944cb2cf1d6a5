import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute } from 'node:path';
import type { AppConfig, Health } from '../../config/agent-schema.ts';
import type { AppFolder } from '../../config/home.ts';
import { groupOf, isWithin } from './cgroup.ts';
import type { UnitName, UnitState } from './systemctl.ts';

/** What of a unit has to be known to judge whether it can be updated. */
export const CHECKED = [
  ...['ExecStart', 'WorkingDirectory', 'RootDirectory', 'Environment', 'TriggeredBy'],
  ...[
    'BoundBy',
    'ConsistsOf',
    'RequiredBy',
    'NeedDaemonReload',
    'UnitFileState',
    'Restart',
    'FragmentPath',
    'DropInPaths',
    'User',
    'Type',
    'StandardOutput',
    'StandardError',
  ],
];

/** Why a unit can't be started and stopped by Fettle, whatever it runs; `undefined`: it can. */
export function unitFault({ unit, user }: UnitName, state: UnitState): string | undefined {
  const systemctl = user ? 'systemctl --user' : 'systemctl';
  if (!unit.endsWith('.service')) return `${unit} is no service`;
  switch (state.load) {
    case 'loaded':
      break;
    case 'not-found':
      return `there is no unit ${unit}${user ? ' of this user' : ''}; after writing it: \`${systemctl} daemon-reload\``;
    case 'masked':
      return `${unit} is masked: \`${systemctl} unmask ${unit}\``;
    default:
      return `${unit} can't be loaded (${state.loadError.replace(/^\S+ /, '') || state.load})`;
  }
  const own = groupOf('self');
  if (isWithin(own, state.controlGroup)) {
    return `Fettle itself runs in ${unit} and would end with it; give Fettle a unit of its own: \`fettle install-service\``;
  }
  const ours = own === undefined ? '' : basename(own);
  const { BoundBy = '', ConsistsOf = '', RequiredBy = '' } = state.properties;
  if (ours.endsWith('.service') && `${BoundBy} ${ConsistsOf} ${RequiredBy}`.split(' ').includes(ours)) {
    return `${ours}, in which Fettle runs, is stopped whenever ${unit} is; take Requires=, BindsTo= and PartOf= out of it`;
  }
  return undefined;
}

/** Which check of an app's file a unit can't pass, as it is; `undefined`: none that is known. */
export function checkFault(
  { unit }: UnitName,
  { properties }: UnitState,
  health: Pick<Health, 'notify' | 'log'>,
): { readonly check: string; readonly reason: string } | undefined {
  const { Type = '', StandardOutput = '', StandardError = '' } = properties;
  if (health.notify && !Type.startsWith('notify')) {
    return { check: 'notify', reason: `systemd hears READY=1 of units with Type=notify; ${unit} has Type=${Type}` };
  }
  const isKept = (where: string) => !/^(null|tty|socket|fd|file|append|truncate)/.test(where);
  const kept = isKept(StandardOutput) || (StandardError !== 'inherit' && isKept(StandardError));
  if (health.log !== undefined && !kept) {
    return { check: 'log', reason: `it is looked for in the journal; ${unit} has StandardOutput=${StandardOutput}` };
  }
  return undefined;
}

/** Why the user of a unit could not run what is installed; `undefined`: nothing is known against it. */
export async function userFault(
  state: UnitState,
  config: AppConfig,
  folder: AppFolder,
  mayEnter: (user: string, folder: string) => Promise<boolean | undefined>,
): Promise<string | undefined> {
  const { User = '' } = state.properties;
  if (User === '' || User === 'root' || config.binary !== undefined) return undefined;
  const barred: string[] = [];
  for (let at = folder.releases; at !== dirname(at); at = dirname(at)) {
    if (!existsSync(at)) continue;
    // Who can enter a folder can enter all above it.
    if ((await mayEnter(User, at)) !== false) break;
    barred.unshift(at);
  }
  if (barred.length === 0) return undefined;
  return `its user ${User} can't enter ${folder.releases}: \`setfacl -m u:${User}:x\` on each folder on the way there, from ${barred[0]} on`;
}

/** Does the unit say, or its environment, that it starts what is at this place? */
export function namesPlace(state: UnitState, place: (path: string) => boolean): boolean {
  const { ExecStart = '', WorkingDirectory = '', RootDirectory = '', Environment = '' } = state.properties;
  const command = [...ExecStart.matchAll(/ ?(?:path|argv\[\])=(.*?)(?= ; )/g)].map(([, text]) => text ?? '');
  const words = [...command, Environment].join(' ').split(/[\s"'=:]+/);
  const folders = [WorkingDirectory, RootDirectory].map((path) => path.replace(/^!/, ''));
  return [...folders, ...words].some((path) => isAbsolute(path) && place(path));
}

/** Is a path the executable that an app's `binary` names, or in its `current`? Links above it do not matter. */
export function placeOf(config: AppConfig, folder: AppFolder): (path: string) => boolean {
  if (config.binary !== undefined) {
    const wanted = settled(config.binary);
    return (path) => path === config.binary || settled(path) === wanted;
  }
  const dir = real(folder.dir);
  return (path) => {
    for (let at = path; at !== dirname(at); at = dirname(at)) {
      if (basename(at) === basename(folder.current) && real(dirname(at)) === dir) return true;
    }
    return false;
  };
}

/** What to write into a unit that runs something else. */
export function placeAdvice(config: AppConfig, folder: AppFolder): string {
  return config.binary === undefined
    ? `write WorkingDirectory=${folder.current} into it, and let ExecStart start what is there (\`fettle doctor\` prints the whole path)`
    : `write ExecStart=${config.binary} into it`;
}

/** The folder resolved, the last name as it is. */
function settled(path: string): string {
  return `${real(dirname(path))}/${basename(path)}`;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
