import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { HubSchema } from '../../../config/hub-schema.ts';
import { writeDurably } from '../../files/durable.ts';
import { EXAMPLES } from './examples.ts';

/** `fettle.yaml` as JSON Schema, made of the declarations: for editors, for the reference, for `fettle config explain`. */

/** What is read of a JSON Schema. */
export interface Node {
  readonly type?: string | readonly string[];
  /** What is expected, where the type alone would not say it. */
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly required?: readonly string[];
  readonly examples?: readonly unknown[];
}

/** What is written (types), and what it becomes (defaults of values that are read from text). */
export function schemas(): { readonly written: Node; readonly read: Node } {
  return {
    written: z.toJSONSchema(HubSchema, { io: 'input', unrepresentable: 'any' }) as Node,
    read: z.toJSONSchema(HubSchema, { io: 'output', unrepresentable: 'any' }) as Node,
  };
}

/** The schema that editors read: defaults as they are written, examples, a pattern where text has a form. */
export function editorSchema(): object {
  const { written, read } = schemas();
  const { $schema, ...rest } = forEditors(written, read, []) as Record<string, unknown>;
  return { $schema, title: "Fettle's configuration (fettle.yaml)", ...rest };
}

function forEditors(node: Node, read: Node | undefined, path: readonly string[]): Node {
  const { properties, additionalProperties, default: fallback, ...rest } = node;
  const inner = (of: Node['additionalProperties']) => (typeof of === 'object' ? of : undefined);
  const key = path.join('.');
  const text = node.type === 'string' && typeof fallback === 'number' ? durationText(fallback) : fallback;
  return {
    ...rest,
    ...(text === undefined || isNothing(text) ? {} : { default: text }),
    ...(EXAMPLES[key] ? { examples: EXAMPLES[key] } : {}),
    ...(properties
      ? {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, child]) => [
              name,
              forEditors(child, read?.properties?.[name], [...path, name]),
            ]),
          ),
        }
      : {}),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === 'object'
              ? forEditors(additionalProperties, inner(read?.additionalProperties), [...path, 'NAME'])
              : additionalProperties,
        }),
  };
}

const isNothing = (value: unknown) => typeof value === 'object' && JSON.stringify(value) === '{}';

/** The schema as the file that is shipped. */
export function schemaText(): string {
  return `${JSON.stringify(editorSchema(), null, 2)}\n`;
}

export const SCHEMA_NAME = 'fettle.schema.json';

/** Puts the schema beside a configuration file; an older one is replaced. */
export function writeSchema(folder: string): void {
  const file = join(folder, SCHEMA_NAME);
  const text = schemaText();
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeDurably(file, text, 0o644);
}

/** A key's node in both schemas; `NAME` and any app's name are one. `undefined` where there is no such key. */
export function nodeAt(path: readonly string[]): { readonly node: Node; readonly read: Node | undefined } | undefined {
  const { written, read } = schemas();
  let node: Node | undefined = written;
  let output: Node | undefined = read;
  for (const part of path) {
    const next: Node | boolean | undefined =
      node.properties?.[part] ?? groupOf(node)?.properties?.[part] ?? node.additionalProperties;
    const out: Node | boolean | undefined = output?.properties?.[part] ?? output?.additionalProperties;
    if (typeof next !== 'object') return undefined;
    node = next;
    output = typeof out === 'object' ? out : undefined;
  }
  return { node, read: output };
}

/** Of a value that may be written in several ways, the one with keys. */
export function groupOf(node: Node): Node | undefined {
  return node.properties ? node : node.anyOf?.find((one) => one.properties !== undefined);
}

/** What may be written, in words. */
export function typeOf(node: Node): string {
  if (node.title) return node.title;
  if (node.anyOf) return [...new Set(node.anyOf.map(typeOf))].join(' or ');
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  const type = typeof node.type === 'string' ? node.type : (node.type ?? []).join(' or ');
  if (type === 'array') return `list of ${node.items ? typeOf(node.items) : 'values'}s`;
  if (type === 'object') return node.properties ? 'group' : 'names with values';
  if (type === 'integer' && node.minimum !== undefined && node.maximum !== undefined) {
    return Math.abs(node.minimum) > 1e9 ? 'number' : `integer, ${node.minimum} to ${node.maximum}`;
  }
  return type === 'string' ? 'text' : type === 'boolean' ? '`true`, `false`' : type;
}

/** What counts where nothing is written; empty: nothing. */
export function defaultOf(node: Node, output: Node | undefined): string {
  const value = node.default ?? output?.default;
  if (value === undefined || node.properties) return '';
  if (typeof value === 'object')
    return JSON.stringify(value) === '[]' || JSON.stringify(value) === '{}' ? 'none' : JSON.stringify(value);
  // Text that became a number is a duration.
  return `\`${node.type === 'string' && typeof value === 'number' ? durationText(value) : String(value)}\``;
}

/** Milliseconds as the file has them. */
export function durationText(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  for (const [unit, size] of units) if (ms > 0 && ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}
