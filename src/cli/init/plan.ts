import { existsSync, lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UNKNOWN_VERSION } from '../../../agent/install/binary.ts';
import { slotName } from '../../../agent/install/slots.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { parseConfig } from '../../../config/load.ts';
import { readFile } from '../../../config/parse.ts';
import { NAME_PATTERN, RESERVED_NAMES } from '../../domain/app.ts';
import { FettleError } from '../../domain/errors.ts';
import type { Found, Kept, Runner, Step, Suggestion } from './contract.ts';
import { measureTree } from './copy-tree.ts';
import { userFor } from './user-name.ts';
import { addApp, entryText, newFile } from './yaml.ts';

/** What taking an app over will do, decided before the first change. */

export interface Plan {
  readonly app: string;
  /** As whom it is to run, where nobody has said so: a user that is made for it. */
  readonly account?: string | undefined;
  readonly found: Found;
  /** What stands in the file for it. */
  readonly entry: string;
  readonly configFile: string;
  readonly steps: readonly Step[];
  readonly size: { readonly files: number; readonly bytes: number } | undefined;
  readonly runners: readonly Runner[];
}

/** What a person said, beside what was found. */
export interface Choices {
  readonly name: string | undefined;
  readonly source: string | undefined;
  readonly build: string | undefined;
  readonly run: string | undefined;
  readonly keep: readonly string[];
  readonly leave: readonly string[];
  readonly health: Readonly<Record<string, unknown>> | undefined;
  readonly user: string | undefined;
  /** The version that is there. */
  readonly current: string | undefined;
  /** Of a binary: where it is in a release. */
  readonly file: string | undefined;
}

/** What was found with what was said: said wins. Kept paths that were only said must be inside the app. */
export function withChoices(found: Found, choices: Choices): Found {
  const clean = (path: string) => path.replace(/^\.\//, '').replace(/\/+$/, '');
  const leave = new Set(choices.leave.map(clean));
  const said: Kept[] = choices.keep.map((path) => ({ path: clean(path), why: 'said' }));
  const inside = (path: string, other: string) => path === other || path.startsWith(`${other}/`);
  const seen = found.keep.filter(({ path }) => !leave.has(path) && !said.some((kept) => inside(path, kept.path)));
  for (const path of leave) {
    if (!found.keep.some((kept) => kept.path === path))
      throw new FettleError('bad_arguments', { data: { reason: `--leave ${path}: that is not kept anyway` } });
  }
  return {
    ...found,
    version: found.version === undefined ? undefined : (choices.current ?? found.version),
    source: choices.source ?? found.source,
    build: choices.build ?? found.build,
    run: choices.run ?? found.run,
    keep: [...seen, ...said.filter(({ path }) => !seen.some((kept) => inside(path, kept.path)))].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    ),
  };
}

/** A name that `apps` may have, made of what was found. @throws {FettleError} `bad_arguments` for one that was said */
export function nameOf(found: Found, said: string | undefined): string {
  if (said !== undefined) {
    if (!NAME_PATTERN.test(said) || (RESERVED_NAMES as readonly string[]).includes(said))
      throw new FettleError('bad_arguments', {
        data: { reason: `--name ${said}: expected lower-case letters, digits, - and _, starting with a letter` },
      });
    return said;
  }
  const made = found.name
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40);
  const name = NAME_PATTERN.test(made) ? made : 'app';
  return (RESERVED_NAMES as readonly string[]).includes(name) ? `my-${name}` : name;
}

/**
 * @throws {FettleError} `init_refused`: an app of that name is there
 * @throws {ConfigError} where the file is broken, or would not be understood
 */
export async function makePlan(
  found: Found,
  choices: Choices,
  runners: readonly Runner[],
  at: { readonly layout: HomeLayout; readonly configFile: string; readonly signal: AbortSignal },
): Promise<Plan> {
  const { layout, configFile } = at;
  const app = nameOf(found, choices.name);
  const folder = layout.app(app);
  const text = readFile(configFile);
  const before = parseConfig(text, configFile);
  if (Object.hasOwn(before.apps, app) || lstatSync(folder.current, { throwIfNoEntry: false }))
    throw new FettleError('init_refused', {
      data: {
        path: found.path,
        reason: `${layout.home} has an app ${app} already`,
        advice: 'Give it another name: --name APP',
      },
    });
  const suggestions: Suggestion[] = [...found.suggestions];
  if (choices.health === undefined)
    suggestions.push({
      key: 'healthy',
      value: '{http: "http://127.0.0.1:PORT/"}',
      why: 'how Fettle knows that it works',
    });
  if (found.source === undefined)
    suggestions.unshift({ key: 'source', value: 'folder releases/APP', why: 'without it, it is never updated' });
  const user = userFor(choices.user, app, { found, runners, layout });
  const entry = entryText({ app, found, keys: keysOf(found, { ...choices, user }), suggestions });
  const after = existsSync(configFile) && text.trim() !== '' ? addApp(text, app, entry) : newFile(entry);
  parseConfig(after, configFile);
  const slotted = found.kind !== 'binary' && found.version !== undefined;
  const without = [...found.without, ...found.keep.map(({ path }) => path)];
  const steps: Step[] = [];
  if (slotted && found.version !== undefined) {
    const slot = slotName(found.version, found.digest);
    steps.push({ do: 'copy', from: found.path, slot, only: found.only, without });
    for (const { path } of found.keep) {
      const from = join(found.path, path);
      if (lstatSync(from, { throwIfNoEntry: false }))
        steps.push({ do: 'keep', path, from, to: join(folder.shared, path) });
    }
    const keep = found.keep.map(({ path }) => path);
    steps.push({ do: 'seal', slot, version: found.version, digest: found.digest, keep });
    steps.push({ do: 'point', slot });
    if (found.unit) steps.push(dropIn(found, folder.current));
  }
  if (found.kind === 'binary')
    steps.push({ do: 'binary', path: found.path, version: found.version ?? UNKNOWN_VERSION });
  const mode = lstatSync(configFile, { throwIfNoEntry: false })?.mode ?? 0o600;
  const existed = lstatSync(configFile, { throwIfNoEntry: false }) !== undefined;
  steps.push({
    do: 'write',
    path: configFile,
    before: existed ? text : null,
    after,
    mode: mode & 0o777,
    is: 'config',
  });
  const size = slotted
    ? await measureTree({ from: found.path, only: found.only, without, signal: at.signal })
    : undefined;
  return {
    app,
    found,
    entry,
    configFile,
    steps,
    size,
    runners,
    account: choices.user === undefined ? user : undefined,
  };
}

function keysOf(found: Found, choices: Choices): Record<string, unknown> {
  const { unit } = found;
  const keys: Record<string, unknown> = {};
  const add = (key: string, value: unknown) => {
    if (value !== undefined) keys[key] = value;
  };
  add('source', found.source);
  if (found.kind === 'binary') {
    add('binary', found.path);
    add('file', choices.file);
  } else add('build', found.build);
  if (!unit) add('run', found.run);
  if (!unit && found.env && Object.keys(found.env).length > 0) add('env', found.env);
  if (found.keep.length > 0)
    add(
      'keep',
      found.keep.map(({ path }) => path),
    );
  add('user', choices.user);
  if (unit) add('restart', `systemd ${unit.user ? 'user ' : ''}${unit.unit.replace(/\.service$/, '')}`);
  add('healthy', choices.health);
  return keys;
}

/** The unit starts what `current` names; everything else of it stays. */
function dropIn(found: Found, current: string): Step {
  const unit = found.unit;
  if (!unit) throw new Error('no unit');
  const moved = (word: string) =>
    word === found.path || word.startsWith(`${found.path}/`) ? current + word.slice(found.path.length) : word;
  const quote = (word: string) => {
    const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
    return /[\s"'\\;]/.test(plain) ? `"${plain.replace(/["\\]/g, '\\$&')}"` : plain;
  };
  const [program = '', ...rest] = unit.argv.map(moved);
  const directory = unit.workingDirectory === undefined ? current : moved(unit.workingDirectory);
  const after = `# Written by \`fettle init\`: this unit runs the release that Fettle chose. Undo: fettle init --undo
[Service]
WorkingDirectory=${directory}
ExecStart=
ExecStart=${[program, ...rest].map(quote).join(' ')}
`;
  const base = unit.user ? join(homedir(), '.config/systemd/user') : '/etc/systemd/system';
  const path = join(base, `${unit.unit}.d`, '50-fettle.conf');
  return { do: 'write', path, before: null, after, mode: 0o644, is: unit.user ? 'user-drop-in' : 'drop-in' };
}

/** `--port` and `--health` as the file has them. @throws {FettleError} `bad_arguments` */
export function healthOf(port: string | undefined, health: string | undefined): Record<string, unknown> | undefined {
  const bad = (reason: string) => new FettleError('bad_arguments', { data: { reason } });
  if (port !== undefined) {
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
      throw bad(`--port ${port}: expected a port from 1 to 65535`);
    if (health === undefined) return { http: `http://127.0.0.1:${port}/` };
    if (!health.startsWith('/')) throw bad('--port and --health together: expected a path, such as --health /health');
    return { http: `http://127.0.0.1:${port}${health}` };
  }
  if (health === undefined) return undefined;
  if (/^https?:\/\//.test(health)) return { http: health };
  if (/^tcp:/.test(health)) return { tcp: /^\d+$/.test(health.slice(4)) ? Number(health.slice(4)) : health.slice(4) };
  if (/^log:/.test(health)) return { log: health.slice(4).trim() };
  if (/^command:/.test(health)) return { command: health.slice(8).trim() };
  throw bad(`--health ${health}: expected http://…, tcp:PORT, log:TEXT or command:COMMAND`);
}
