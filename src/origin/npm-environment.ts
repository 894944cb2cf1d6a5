import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { writeDurably } from '../files/durable.ts';

/**
 * What our npm children see of the user's npm: which registry, how to get in, through which proxy; nothing else.
 * A user's `ignore-scripts=false`, `prefix=`, `omit=` or `before=` must not change what Fettle installs.
 */

/** Keys that say where the registry is and how to reach it (npm's own documentation, `npm help config`). */
const REGISTRY_KEYS = new Set([
  'registry',
  'replace-registry-host',
  'ca',
  'cafile',
  'cert',
  'key',
  'proxy',
  'https-proxy',
  'http-proxy',
  'noproxy',
  'strict-ssl',
  'local-address',
]);
const SCOPE_KEY = /^@[a-z0-9~-][a-z0-9._~-]*:registry$/;
const HOST_KEY = /^\/\/.+:(_authToken|_auth|username|_password|certfile|keyfile|email)$/;

/** Variables that a child needs to run and to reach the network. */
const KEPT_VARIABLES =
  /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|USER|LOGNAME|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|https?_proxy|all_proxy|no_proxy)$/i;

/**
 * The environment of an npm child: PATH, HOME, locale, proxies and certificates of `env`; no `npm_*`, no
 * `NODE_OPTIONS`, none of Fettle's own variables. `node`'s folder comes first in PATH, so that a script of a package
 * that says `node` gets the one that the app will run on.
 */
export function cleanNpmEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  node?: string,
): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [key, value] of Object.entries(env)) {
    if (value !== undefined && KEPT_VARIABLES.test(key)) clean[key] = value;
  }
  const path = clean.PATH || '/usr/local/bin:/usr/bin:/bin';
  clean.PATH = node === undefined ? path : `${dirname(node)}${delimiter}${path}`;
  return clean;
}

export interface NpmrcInput {
  /** Where ours is written; its folder is made. Never called `.npmrc`, or npm would read it twice. */
  readonly file: string;
  /** The whole environment of the person or service that runs Fettle. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's and global files; found by {@link npmrcFiles} unless given. Later ones win. */
  readonly from?: readonly string[] | undefined;
}

/**
 * Writes our npmrc (0600): only what concerns the registry, from the global and the user's npmrc and from
 * `npm_config_*`, with `${VAR}` expanded as npm does. Unreadable files count as absent, as they do for npm.
 *
 * @returns its path, for `--userconfig`
 */
export function writeNpmrc(input: NpmrcInput): string {
  const { env } = input;
  const settings = new Map<string, readonly string[]>();
  for (const file of input.from ?? npmrcFiles(env)) {
    for (const [key, values] of readNpmrc(file, env)) settings.set(key, values);
  }
  for (const [name, value] of Object.entries(env)) {
    const key = /^npm_config_(.+)$/i.exec(name)?.[1];
    if (key === undefined || !value) continue;
    // npm: letters of the variable fold and `_` becomes `-`, but never in keys of a host or scope.
    const normal = /^(\/\/|@)/.test(key) ? key : key.toLowerCase().replace(/(?!^)_/g, '-');
    if (isRegistryKey(normal)) settings.set(normal, [value]);
  }
  const lines = [...settings].flatMap(([key, values]) =>
    values.length === 1 ? [`${key}=${quote(values[0] ?? '')}`] : values.map((value) => `${key}[]=${quote(value)}`),
  );
  mkdirSync(dirname(input.file), { recursive: true, mode: 0o700 });
  writeDurably(input.file, lines.length > 0 ? `${lines.join('\n')}\n` : '', 0o600);
  return input.file;
}

/** The files that the user's own npm would read, least important first. They need not exist. */
export function npmrcFiles(env: Readonly<Record<string, string | undefined>>): string[] {
  const variable = (name: string) =>
    Object.entries(env).find(([key, value]) => key.toLowerCase() === name && value)?.[1];
  const files: string[] = [];
  const global = variable('npm_config_globalconfig');
  if (global) files.push(global);
  else if (env.PREFIX) files.push(join(env.PREFIX, 'etc', 'npmrc'));
  else {
    // npm's global file belongs to the Node that runs it: the first in PATH wins, so it comes last here.
    const nodes = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
    for (const folder of nodes.reverse()) {
      const real = realPath(join(folder, 'node'));
      if (real === undefined) continue;
      files.push(join(dirname(dirname(real)), 'etc', 'npmrc'), join(dirname(folder), 'etc', 'npmrc'));
    }
  }
  const user = variable('npm_config_userconfig') ?? (env.HOME ? join(env.HOME, '.npmrc') : undefined);
  if (user) files.push(user);
  return [...new Set(files.reverse())].reverse();
}

/** The registry that a package comes from, by our npmrc. */
export function registryOf(npmrc: string, name: string): string {
  const settings = readNpmrc(npmrc, {});
  const scope = /^(@[^/]+)\//.exec(name)?.[1];
  const [own] = (scope && settings.get(`${scope}:registry`)) || [];
  return own || settings.get('registry')?.[0] || 'https://registry.npmjs.org/';
}

function isRegistryKey(key: string): boolean {
  return REGISTRY_KEYS.has(key) || SCOPE_KEY.test(key) || HOST_KEY.test(key);
}

function readNpmrc(file: string, env: Readonly<Record<string, string | undefined>>): Map<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return found;
  }
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?![;#[])([^=]+?)\s*=\s*(.*?)\s*$/.exec(line);
    if (!match) continue;
    const list = (match[1] ?? '').endsWith('[]');
    const key = expand(unquote((match[1] ?? '').replace(/\[\]$/, '')), env);
    if (!isRegistryKey(key)) continue;
    const value = expand(unquote(match[2] ?? ''), env);
    found.set(key, list ? [...(found.get(key) ?? []), value] : [value]);
  }
  return found;
}

/** As npm's `ini` reads a value: quotes are JSON (or bare single quotes); outside them `;` and `#` start a comment. */
function unquote(text: string): string {
  if (/^".*"$/s.test(text)) {
    try {
      return String(JSON.parse(text));
    } catch {
      return text.slice(1, -1);
    }
  }
  if (/^'.*'$/s.test(text)) return text.slice(1, -1);
  return text
    .replace(/(?<!\\)[;#].*$/, '')
    .replace(/\\([;#\\])/g, '$1')
    .trim();
}

function quote(value: string): string {
  // npm expands what it reads here once more: what is literal now must stay so.
  const literal = value.replace(/(\\*)\$\{/g, '$1$1\\${');
  return /^[\w@:/.+=,~*-]*$/.test(literal) ? literal : JSON.stringify(literal);
}

/** npm's env-replace: `${VAR}`, `${VAR?}` (empty where unset), `\${` is literal; an unset `${VAR}` stays. */
function expand(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(
    /(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}/g,
    (whole: string, escapes: string, name: string, optional: string | undefined) => {
      if (escapes.length % 2 === 1) return whole.slice((escapes.length + 1) / 2);
      return escapes.slice(escapes.length / 2) + (env[name] ?? (optional ? '' : `\${${name}}`));
    },
  );
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
