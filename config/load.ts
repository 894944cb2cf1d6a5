import { readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { AgentSchema } from './agent-schema.ts';
import { type HubConfig, HubSchema } from './hub-schema.ts';

/** The only reader of the environment and of configuration files. Everybody else is handed values. */

/** What is wrong with a file, where, and what was expected there. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly expected: string;
  readonly nearest?: string | undefined;
}

/** Thrown by {@link loadConfig} with every problem of the file, in the order of its lines. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.file}:${p.line}: ${p.key}: ${p.expected}`).join('\n'));
    this.problems = problems;
  }
}

/** A parsed file; relative paths in it have been made absolute, starting at the file. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: HubConfig;
}

/**
 * Reads `fettle.yaml` (or an `agent.yaml`, which is a part of it). A missing file is an empty configuration.
 *
 * @throws {ConfigError} naming file, line, key and what was expected
 */
export function loadConfig(file: string): LoadedConfig {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new ConfigError([
        { file, line: 1, key: '(file)', expected: `a readable file (${(error as Error).message})` },
      ]);
    }
  }
  return { file, config: parseConfig(text, file) };
}

/** {@link loadConfig} for text that is already there. */
export function parseConfig(text: string, file: string): HubConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: 'error' });
  const broken = document.errors.map((error) => ({
    file,
    line: lines.linePos(error.pos[0]).line,
    key: '(YAML)',
    expected: error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? 'YAML',
  }));
  if (broken.length > 0) throw new ConfigError(broken);
  let raw: unknown;
  try {
    raw = document.toJS() ?? {};
  } catch (error) {
    throw new ConfigError([{ file, line: 1, key: '(YAML)', expected: (error as Error).message }]);
  }
  const result = HubSchema.safeParse(raw);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => explain(issue, document, lines, file));
    throw new ConfigError(problems.sort((a, b) => a.line - b.line));
  }
  return withAbsolutePaths(result.data, dirname(resolve(file)));
}

function explain(
  issue: z.core.$ZodIssue,
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  file: string,
): ConfigProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => ({
      file,
      line: lineOf(document, lines, [...path, key]),
      key: [...path, key].join('.'),
      expected: known.length > 0 ? `no such key here; there are: ${known.join(', ')}` : 'no such key here',
      nearest: known.length > 0 ? closest(key, known) : undefined,
    }));
  }
  const expected =
    issue.code === 'invalid_key'
      ? 'expected a name of lower-case letters, digits, - and _, starting with a letter'
      : issue.message;
  return [
    {
      file,
      line: lineOf(document, lines, path),
      key: path.join('.') || '(file)',
      expected: expected.replace(/^Invalid input: /, ''),
    },
  ];
}

/** The line of the deepest node of `path` that the document has: that of its key where it is one. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  path: readonly (string | number)[],
): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair && isScalar(pair.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
    }
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)) {
      return lines.linePos(Number(node.range[0])).line;
    }
  }
  return 1;
}

/** The keys that the schema knows at a path, found in its JSON Schema so that they are written down once. */
function knownKeys(path: readonly (string | number)[]): string[] {
  type Node = {
    properties?: Record<string, Node>;
    additionalProperties?: Node | boolean;
    items?: Node;
    anyOf?: Node[];
  };
  let node = z.toJSONSchema(HubSchema, { io: 'input', unrepresentable: 'any' }) as Node | undefined;
  for (const part of path) {
    const next: Node | boolean | undefined =
      node?.properties?.[String(part)] ?? node?.additionalProperties ?? node?.items;
    node = typeof next === 'object' ? next : undefined;
  }
  return Object.keys(node?.properties ?? {});
}

function withAbsolutePaths(config: HubConfig, base: string): HubConfig {
  const absolute = <T extends { source?: HubConfig['fettle']['source'] | undefined }>(of: T): T =>
    of.source?.kind === 'folder' ? { ...of, source: { ...of.source, path: resolve(base, of.source.path) } } : of;
  const apps = Object.fromEntries(Object.entries(config.apps).map(([name, app]) => [name, absolute(app)]));
  return { ...config, fettle: absolute(config.fettle), apps };
}

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
  /** Started by a keeper, which starts it again when it ends. */
  readonly kept: boolean;
  /** From LC_ALL, LC_MESSAGES, LANG. */
  readonly language: 'en' | 'zh' | undefined;
  /** Variables that the hub and the agent need and apps do not get: proxies, certificates, npm's registry. */
  readonly passed: Readonly<Record<string, string>>;
  /** PATH, LANG, TZ and the like: what an app's minimal environment is made of. */
  readonly basic: Readonly<Record<string, string>>;
  /** Everything, for reading npm's own settings as npm does. Never handed on to an app. */
  readonly all: Readonly<Record<string, string | undefined>>;
}

const PASSED =
  /^(https?_proxy|no_proxy|all_proxy|node_extra_ca_certs|ssl_cert_file|ssl_cert_dir|npm_config_registry|npm_config_userconfig|fettle_[a-z_]+)$/i;
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
    color: env.NO_COLOR === undefined && env.TERM !== 'dumb',
    language: /^zh/i.test(locale) ? 'zh' : /^[a-z]{2}/i.test(locale) ? 'en' : undefined,
    passed: pick(PASSED),
    basic: pick(BASIC),
    all: env,
  };
}

export { AgentSchema, HubSchema };
