import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { secretsInside, secretValues } from '../src/domain/redact.ts';
import type { HomeLayout } from './home.ts';

/**
 * The values that Fettle must not show: its own, and those of the apps that it keeps. The only reader of them all; they
 * are never logged. What can't be read or understood is left out: this must work where everything else is broken.
 */

export interface KnownSecretsOptions {
  readonly layout: HomeLayout;
  readonly configFile: string;
  readonly userHome: string;
  /** The whole environment. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export interface KnownSecrets {
  readonly values: readonly string[];
  /** Have the files changed since? */
  stale(): boolean;
}

/** Larger files hold data, and no secrets of a person's. */
const MAX_BYTES = 256 * 1024;
/** Keys of the configuration whose value is a secret; `keys` and `policyKey` are public. */
const SECRET_KEY = /secret|token|password|passphrase|credential/i;
/** And those which name a file that holds one. */
const SECRET_FILE =
  /^(?:secret|token|key|password|credentials?)(?:File)?$|(?:secret|token|key|password|credentials?)File$/i;
const KEPT = /^\.env(?:\..+)?$|\.env$|secret|credential|token|passw/i;

/** Reads them all, once. */
export function readKnownSecrets({ layout, configFile, userHome, variables }: KnownSecretsOptions): KnownSecrets {
  const stamps = new Map<string, string>();
  const values: string[] = [];
  const read = (file: string): string => {
    stamps.set(file, stampOf(file));
    try {
      return statSync(file).size <= MAX_BYTES ? readFileSync(file, 'utf8') : '';
    } catch {
      return '';
    }
  };
  const whole = (file: string) => values.push(...[read(file).trim()].filter((text) => text !== ''));

  values.push(...secretValues(defined(variables)));
  const folder = dirname(configFile);
  for (const name of ['feishu.secret', 'discord.token', 'telegram.token']) whole(join(folder, name));
  for (const file of [layout.hub.key, layout.agent.key]) whole(file);
  for (const file of [
    join(layout.hub.dir, 'npm.conf'),
    join(layout.agent.dir, 'npm.conf'),
    variables.NPM_CONFIG_USERCONFIG ?? join(userHome, '.npmrc'),
  ]) {
    values.push(...ofNpm(read(file)));
  }
  for (const name of ['.git-credentials', '.config/git/credentials', '.netrc']) {
    const text = read(join(userHome, name));
    values.push(
      ...secretsInside(text),
      ...matches(text, /\bpassword\s+(\S+)/g),
      ...matches(text, /:\/\/([^\s/:@]{8,})@/g),
    );
  }
  const config = understood(read(configFile));
  walk(config, '', (key, value, inEnvironment) => {
    values.push(...secretsInside(value));
    if (inEnvironment) values.push(...secretValues({ [key]: value }));
    else if (SECRET_FILE.test(key) && looksLikePath(key, value)) whole(resolve(folder, value));
    else if (SECRET_KEY.test(key) && value.length >= 4) values.push(value);
  });
  for (const [file, text] of keptFiles(config, layout, folder).map((path) => [path, read(path)] as const)) {
    values.push(...ofVariables(text), ...secretsInside(text));
    if (!/\.env/.test(basename(file)) && !text.trim().includes('\n') && !text.includes('{')) values.push(text.trim());
  }
  const named = ordinary(variables, userHome, layout);
  return {
    values: [...new Set(values)].filter((value) => value.length >= 4 && !named.has(value)),
    stale: () => [...stamps].some(([file, stamp]) => stampOf(file) !== stamp),
  };
}

/**
 * What everybody calls this machine, its user and its folders. Where somebody's password is the same word, it is hidden behind its
 * name alone: hidden everywhere, no message would say any more of what it speaks.
 */
function ordinary(variables: KnownSecretsOptions['variables'], userHome: string, layout: HomeLayout): Set<string> {
  const { USER, LOGNAME, HOSTNAME, PWD, OLDPWD } = variables;
  const all = [USER, LOGNAME, HOSTNAME, hostname(), PWD, OLDPWD, userHome, layout.home];
  return new Set(all.filter((one) => one !== undefined));
}

function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : '';
}

function defined(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter((e): e is [string, string] => e[1] !== undefined));
}

function understood(text: string): unknown {
  try {
    return parse(text, { logLevel: 'silent' });
  } catch {
    // Broken, and about to be told of: its lines may be shown.
    return Object.fromEntries(
      [...text.matchAll(/^\s*([\w-]{1,60}):[ \t]*["']?([^\s"'#][^"'\n]*)/gm)].map(([, key = '', value = '']) => [
        key,
        value.trim(),
      ]),
    );
  }
}

/** Every text of a configuration, with the key before it. */
function walk(
  value: unknown,
  key: string,
  found: (key: string, value: string, inEnvironment: boolean) => void,
  inEnvironment = false,
): void {
  if (typeof value === 'string' || typeof value === 'number') found(key, String(value), inEnvironment);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, one] of Object.entries(value)) {
    walk(one, Array.isArray(value) ? key : name, found, inEnvironment || key === 'env');
  }
}

const looksLikePath = (key: string, value: string) => key.endsWith('File') || /^\.{0,2}\/|\.(?:pem|key)$/.test(value);

/** Files with secrets among what is kept of the apps. */
function keptFiles(config: unknown, layout: HomeLayout, folder: string): string[] {
  const { apps } = (config ?? {}) as { apps?: unknown };
  if (typeof apps !== 'object' || apps === null) return [];
  return Object.entries(apps).flatMap(([name, app]) => {
    const { keep, binary } = (app ?? {}) as { keep?: unknown; binary?: unknown };
    if (!Array.isArray(keep)) return [];
    const paths = keep.filter((path): path is string => typeof path === 'string' && KEPT.test(basename(path)));
    return paths.flatMap((path) => {
      if (isAbsolute(path)) return [path];
      const beside = typeof binary === 'string' ? [join(dirname(resolve(folder, binary)), path)] : [];
      return [join(layout.app(name).shared, path), ...beside];
    });
  });
}

/** `NAME=value` a line, as in `.env`. */
function ofVariables(text: string): string[] {
  return [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)$/gm)].flatMap(
    ([, name = '', value = '']) => {
      const bare = /^"((?:[^"\\]|\\.)*)"|^'([^']*)'|^([^#\n]*?)(?:\s+#.*)?$/.exec(value.trim());
      return secretValues({ [name]: bare?.[1] ?? bare?.[2] ?? bare?.[3]?.trim() ?? value });
    },
  );
}

/** Tokens and passwords of a npmrc; a password is in base64 there. */
function ofNpm(text: string): string[] {
  const found = matches(text, /(?:_authToken|_auth|_password|otp|passphrase)["']?[ \t]*=[ \t]*["']?([^\s"']+)/g).filter(
    (value) => !value.startsWith('${'),
  );
  return [...found, ...found.map(fromBase64), ...secretsInside(text)].filter((value) => value.length >= 4);
}

function fromBase64(text: string): string {
  const plain = Buffer.from(text, 'base64').toString('utf8');
  const readable = /^[\x20-\x7e]+$/.test(plain);
  // `user:password` of `_auth`: what must not be shown is the second.
  return readable ? (plain.split(':').at(-1) ?? plain) : '';
}

const matches = (text: string, pattern: RegExp) =>
  text === '' ? [] : [...text.matchAll(pattern)].map(([, value = '']) => value);
