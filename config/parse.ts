import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { isFolder } from '../src/domain/git-address.ts';
import type { AppConfig, SelfConfig, ToolConfig } from './agent-schema.ts';

/**
 * The only reader of configuration files: text to values by a schema, with the line of each mistake. Everybody else is
 * handed values.
 */

/** What is wrong with a file, where, and what was expected there. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly expected: string;
  readonly nearest?: string | undefined;
}

/** Thrown with every problem of the file, in the order of its lines. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.file}:${p.line}: ${p.key}: ${p.expected}`).join('\n'));
    this.problems = problems;
  }
}

/** What every file of ours has, as far as this reader must know. */
interface WithSources {
  readonly apps: Readonly<Record<string, Partial<Pick<AppConfig, 'source' | 'binary' | 'data' | 'notNow'>>>>;
  readonly fettle: { readonly source?: SelfConfig['source'] | undefined };
  readonly tools?: Readonly<Record<string, ToolConfig>> | undefined;
  /** Of a hub's file; a device reads nothing of it. */
  readonly chats?: unknown;
}

/** The text of a file; a missing one is empty. @throws {ConfigError} where it can't be read */
export function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new ConfigError([
      { file, line: 1, key: '(file)', expected: `a readable file (${(error as Error).message})` },
    ]);
  }
}

/**
 * Reads a file's text. Relative paths in it are made absolute, starting at the file.
 * @throws {ConfigError} naming file, line, key and what was expected
 */
export function parseFile<S extends z.ZodType<WithSources>>(schema: S, text: string, file: string): z.output<S> {
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
  const result = schema.safeParse(raw);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => explain(issue, schema, document, lines, file));
    throw new ConfigError(problems.sort((a, b) => a.line - b.line));
  }
  return withAbsolutePaths(result.data, dirname(resolve(file)));
}

function explain(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  file: string,
): ConfigProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'invalid_union') {
    // Of several ways to write a value, the one that was meant: its kind is right, and something in it is not.
    const meant = issue.errors.find(
      (one) => one.length > 0 && !one.some(({ path: at }) => at.length === 0 && !isKeys(one)),
    );
    if (meant)
      return meant.flatMap((inner) =>
        explain({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, schema, document, lines, file),
      );
  }
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
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
      ? (issue.issues.find(({ message }) => message.startsWith('expected'))?.message ??
        'expected a name of lower-case letters, digits, - and _, starting with a letter')
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

function isKeys(issues: readonly z.core.$ZodIssue[]): boolean {
  return issues.every(({ code }) => code === 'unrecognized_keys');
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

/** What a file's text has at a path, and the line of its key, or of the nearest thing above it that is there. */
export function whereIs(text: string, path: readonly string[]): { readonly line: number; readonly value: unknown } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'silent' });
  if (document.errors.length > 0) return { line: 1, value: undefined };
  const keys = path.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const node: unknown = document.getIn(keys, true);
  const value = typeof node === 'object' && node !== null && 'toJS' in node ? (node as Node).toJS(document) : node;
  return { line: lineOf(document, lines, keys), value };
}

/** The keys that the schema knows at a path, found in its JSON Schema so that they are written down once. */
function knownKeys(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  type Known = {
    properties?: Record<string, Known>;
    additionalProperties?: Known | boolean;
    items?: Known;
    anyOf?: Known[];
  };
  // Of a value that may be written in several ways, the one with keys.
  const group = (of: Known | undefined) => (of?.properties ? of : (of?.anyOf?.find((one) => one.properties) ?? of));
  let node = group(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Known | undefined);
  for (const part of path) {
    const next: Known | boolean | undefined =
      node?.properties?.[String(part)] ?? node?.additionalProperties ?? node?.items;
    node = group(typeof next === 'object' ? next : undefined);
  }
  return Object.keys(node?.properties ?? {});
}

function withAbsolutePaths<C extends WithSources>(config: C, base: string): C {
  const absolute = <T extends WithSources['fettle']>(of: T): T => {
    const { source } = of;
    if (source?.kind === 'folder') return { ...of, source: { ...source, path: resolve(base, source.path) } };
    if ((source?.kind === 'github' || source?.kind === 'gitea') && source.tokenFile !== undefined) {
      return { ...of, source: { ...source, tokenFile: resolve(base, source.tokenFile) } };
    }
    if (source?.kind === 'git' && isFolder(source.url)) {
      return { ...of, source: { ...source, url: resolve(base, source.url) } };
    }
    return of;
  };
  const app = <T extends WithSources['apps'][string]>(of: T): T => {
    const { binary, data, notNow } = of;
    return {
      ...absolute(of),
      ...(binary === undefined ? {} : { binary: resolve(base, binary) }),
      ...(data === undefined ? {} : { data: resolve(base, data) }),
      ...(notNow?.file === undefined ? {} : { notNow: { ...notNow, file: resolve(base, notNow.file) } }),
    };
  };
  const apps = Object.fromEntries(Object.entries(config.apps).map(([name, of]) => [name, app(of)]));
  const tools = config.tools && { tools: toolsOf(config.tools, base) };
  return { ...config, fettle: absolute(config.fettle), apps, ...tools, ...chatsOf(config.chats, base) };
}

function toolsOf(tools: Readonly<Record<string, ToolConfig>>, base: string): Record<string, ToolConfig> {
  const argument = (of: ToolConfig['args'][string]) =>
    of.type === 'path' ? { ...of, under: of.under.map((root) => resolve(base, root)) } : of;
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => [
      name,
      {
        ...tool,
        cwd: tool.cwd === undefined ? '/' : resolve(base, tool.cwd),
        args: Object.fromEntries(Object.entries(tool.args).map(([key, of]) => [key, argument(of)])),
      },
    ]),
  );
}

/** A chat's files of secrets start at the file as well. */
function chatsOf(chats: unknown, base: string): { chats?: unknown } {
  if (typeof chats !== 'object' || chats === null) return {};
  const absolute = (chat: unknown) => {
    if (typeof chat !== 'object' || chat === null) return chat;
    const files = Object.entries(chat).filter(([key, value]) => key.endsWith('File') && typeof value === 'string');
    return { ...chat, ...Object.fromEntries(files.map(([key, value]) => [key, resolve(base, String(value))])) };
  };
  return { chats: Object.fromEntries(Object.entries(chats).map(([name, chat]) => [name, absolute(chat)])) };
}
