import type { Argument, Command } from './contract.ts';
import type { Services } from './services.ts';
import { fold } from './words.ts';

/** Whole lines that what was typed may become: commands, apps, versions that are known, ids, flags. */

const MOST = 30;

export async function complete(
  text: string,
  commands: readonly Command[],
  services: Services,
): Promise<readonly string[]> {
  const typed = fold(text).toLowerCase();
  const open = /\s$/.test(text) || typed === '';
  const line = typed.startsWith('/') ? typed : `/${typed}`;
  const command = longestCommand(line, commands);
  // A name that is whole but may go on (`/update` → `/update now`) is completed as a name first.
  const names = commands
    .map((c) => `/${c.name}`)
    .filter((name) => (open ? name.startsWith(`${line.trimEnd()} `) : name.startsWith(line) && name !== line));
  if (!command || (!open && line === `/${command.name}`)) return names.slice(0, MOST);
  const name = `/${command.name}`;
  const rest = line.slice(name.length).trim();
  const words = rest === '' ? [] : rest.split(' ');
  const last = open ? '' : (words.at(-1) ?? '');
  const before = open ? words : words.slice(0, -1);
  const options = await values(command, before, last, services);
  const head = [name, ...before].join(' ');
  const own = options.filter((option) => option.startsWith(last)).map((option) => `${head} ${option}`);
  return [...names, ...own].slice(0, MOST);
}

function longestCommand(line: string, commands: readonly Command[]): Command | undefined {
  return commands
    .filter((command) => line === `/${command.name}` || line.startsWith(`/${command.name} `))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

async function values(
  command: Command,
  before: readonly string[],
  last: string,
  services: Services,
): Promise<readonly string[]> {
  const settings = services.settings();
  const apps = settings.apps.map((app) => app.name);
  const given = before.map((word) => word.split('@')[0] ?? '').find((word) => apps.includes(word));
  const result: string[] = [];
  for (const argument of command.arguments) {
    result.push(...(await valuesOf(argument, { apps, given, last, before, services, command })));
  }
  return result;
}

interface At {
  readonly apps: readonly string[];
  /** The app that was named already. */
  readonly given: string | undefined;
  readonly last: string;
  readonly before: readonly string[];
  readonly services: Services;
  readonly command: Command;
}

async function valuesOf(argument: Argument, at: At): Promise<readonly string[]> {
  switch (argument.kind) {
    case 'app':
      return at.given === undefined && !at.last.includes('@') ? at.apps : [];
    case 'version': {
      const prefix = at.last.includes('@') ? (at.last.split('@')[0] ?? '') : undefined;
      const app = prefix ?? at.given;
      if (app === undefined || !at.apps.includes(app)) return [];
      const known = await at.services.known(app);
      return known.offer.releases
        .slice(0, 10)
        .map((release) => (prefix === undefined ? release.version : `${prefix}@${release.version}`));
    }
    case 'update': {
      const [active, past] = await Promise.all([
        at.services.updates.active(),
        at.command.name === 'update cancel' ? [] : at.services.updates.history(undefined, 5),
      ]);
      return [...active, ...past].map((update) => update.id);
    }
    case 'device':
      return (await at.services.devices()).map((device) => device.name);
    case 'selector': {
      if (at.before.at(-1) === 'on') return (await at.services.devices()).map((device) => device.name);
      return at.before.includes('on') ? [] : ['on'];
    }
    case 'choice':
      return argument.values;
    case 'flag':
    case 'option': {
      const flag = argument.written.split(' ')[0] ?? '';
      return at.before.includes(flag) ? [] : [flag];
    }
    case 'backup':
    case 'text':
      if (at.command.name === 'device run') return toolWords(at);
      return at.before.length === 0 ? (argument.begins ?? []) : [];
  }
}

/** Tools, then what their arguments may be, and on which device. */
async function toolWords({ before, services }: At): Promise<readonly string[]> {
  const devices = await services.tools.list();
  const [tool] = before;
  if (before.at(-1) === 'on') return devices.map(({ name }) => name);
  if (tool === undefined) return [...new Set(devices.flatMap(({ tools = [] }) => tools.map(({ name }) => name)))];
  const found = devices.flatMap(({ tools = [] }) => tools.filter(({ name }) => name === tool));
  return [...new Set(found.flatMap(({ args }) => args[before.length - 1]?.values ?? [])), 'on'];
}
