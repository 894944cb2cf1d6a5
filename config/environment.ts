import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The only reader of the environment. Apart from the files' reader, because the keeper needs this and must not carry a
 * YAML parser for as long as the device runs.
 */

/** What the environment says. Read once, at start. */
export interface Environment {
  /** `FETTLE_HOME`, made absolute. */
  readonly home: string | undefined;
  /** `FETTLE_PORT`; `'invalid'` where it is no port. */
  readonly port: number | 'invalid' | undefined;
  /** Where sockets live: `XDG_RUNTIME_DIR`, else a folder of this user's in the temporary folder. */
  readonly runtimeFolder: string;
  readonly userHome: string;
  readonly color: boolean;
  /** `FETTLE_KEY_PASSWORD`, of a key that signs releases. For `fettle sign` and the like alone: never passed on. */
  readonly keyPassword: string | undefined;
  /** Started by a keeper, which starts it again when it ends. */
  readonly kept: boolean;
  /** Started by another agent in its own place, not from outside. */
  readonly became: boolean;
  /** From LC_ALL, LC_MESSAGES, LANG. */
  readonly language: 'en' | 'zh' | undefined;
  /** Variables that the hub and the agent need and apps do not get: proxies, certificates, npm's registry. */
  readonly passed: Readonly<Record<string, string>>;
  /** PATH, LANG, TZ and the like: what an app's minimal environment is made of. */
  readonly basic: Readonly<Record<string, string>>;
  /** Everything, for reading npm's own settings as npm does. Never handed on to an app. */
  readonly all: Readonly<Record<string, string | undefined>>;
}

/** Set by an agent for the one that it becomes. */
export const BECAME = 'FETTLE_BECAME';

const PASSED =
  /^(https?_proxy|no_proxy|all_proxy|node_extra_ca_certs|ssl_cert_file|ssl_cert_dir|npm_config_registry|npm_config_userconfig|fettle_(?!key_password$)[a-z_]+)$/i;
const BASIC = /^(path|lang|lc_[a-z]+|tz|home|user|logname|shell|xdg_runtime_dir|tmpdir)$/i;

/** Reads the environment. Never logs it. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const pick = (pattern: RegExp): Record<string, string> =>
    Object.fromEntries(
      Object.entries(env).filter((e): e is [string, string] => pattern.test(e[0]) && e[1] !== undefined),
    );
  const portText = env.FETTLE_PORT?.trim();
  const port = portText ? Number(portText) : undefined;
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || '';
  return {
    home: env.FETTLE_HOME ? resolve(env.FETTLE_HOME) : undefined,
    port: port === undefined ? undefined : Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : 'invalid',
    runtimeFolder: env.XDG_RUNTIME_DIR || join(tmpdir(), `fettle-${process.getuid?.() ?? 0}`),
    userHome: env.HOME || homedir(),
    kept: Boolean(env.FETTLE_START),
    became: Boolean(env[BECAME]),
    keyPassword: env.FETTLE_KEY_PASSWORD,
    color: env.NO_COLOR === undefined && env.TERM !== 'dumb',
    language: /^zh/i.test(locale) ? 'zh' : /^[a-z]{2}/i.test(locale) ? 'en' : undefined,
    passed: pick(PASSED),
    basic: pick(BASIC),
    all: env,
  };
}
