/**
 * Who may import whom (docs/architecture.md), and no cycles, type imports included. Reads the sources with the
 * parser that bundles them, and asserts that it saw what there is to see: a checker that saw nothing passes too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDERS = ['src', 'adapters', 'agent', 'config'];

/** From the first matching row on: what a file may import, by the start of its path. Its own folder always. */
const RULES: readonly { readonly of: string; readonly may: readonly string[] }[] = [
  { of: 'src/main.ts', may: ['src/cli/'] },
  { of: 'src/cli/', may: ['src/', 'agent/', 'adapters/', 'config/'] },
  { of: 'src/domain/', may: [] },
  { of: 'src/files/', may: ['src/domain/'] },
  { of: 'src/protocol/', may: ['src/domain/', 'src/files/'] },
  { of: 'src/origin/', may: ['src/domain/', 'src/files/', 'src/protocol/'] },
  { of: 'src/store/', may: ['src/domain/', 'src/protocol/'] },
  { of: 'src/gateway/', may: ['src/domain/', 'src/protocol/', 'src/store/'] },
  { of: 'src/releases/', may: ['src/domain/', 'src/origin/', 'src/store/'] },
  { of: 'src/chat/', may: ['src/domain/', 'src/store/', 'src/protocol/'] },
  { of: 'src/commands/', may: ['src/domain/', 'src/store/', 'src/protocol/'] },
  {
    of: 'src/devices/',
    may: ['src/domain/', 'src/store/', 'src/chat/', 'src/commands/index.ts', 'src/rollout/announce.ts'],
  },
  {
    of: 'src/people/',
    may: ['src/domain/', 'src/store/', 'src/chat/', 'src/commands/index.ts', 'src/rollout/announce.ts'],
  },
  {
    of: 'src/rollout/',
    may: [
      'src/domain/',
      'src/store/',
      'src/protocol/',
      'src/chat/',
      'src/commands/index.ts',
      'src/releases/index.ts',
      'src/gateway/',
    ],
  },
  { of: 'adapters/index.ts', may: ['adapters/', 'src/chat/contract.ts'] },
  // What is the same for all of them is beside their folders.
  {
    of: 'adapters/',
    may: ['src/chat/contract.ts', 'src/chat/pause.ts', 'adapters/plain-text.ts', 'adapters/proxy.ts'],
  },
  {
    of: 'agent/',
    may: [
      'agent/',
      'src/domain/',
      'src/files/',
      'src/protocol/',
      'src/origin/',
      'config/agent-schema.ts',
      'config/home.ts',
    ],
  },
  { of: 'config/', may: ['src/domain/'] },
];

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** Every relative import of a file: static, dynamic, re-exported, type-only. */
function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const child of node) visit(child);
    if (typeof node !== 'object' || node === null) return;
    const { type, source } = node as { type?: string; source?: { value?: unknown } };
    const specifier = source?.value;
    const importing = [
      'ImportDeclaration',
      'ExportNamedDeclaration',
      'ExportAllDeclaration',
      'ImportExpression',
      'TSImportType',
    ];
    if (type && importing.includes(type) && typeof specifier === 'string' && specifier.startsWith('.')) {
      found.push({ from: file, to: relative(ROOT, resolve(ROOT, dirname(file), specifier)) });
    }
    for (const value of Object.values(node)) if (typeof value === 'object') visit(value);
  };
  visit(parseAst(readFileSync(join(ROOT, file), 'utf8'), { lang: 'ts' }));
  return found;
}

function folderOf(file: string): string {
  const parts = file.split('/');
  return parts[0] === 'src' || parts[0] === 'adapters' ? `${parts.slice(0, 2).join('/')}/` : `${parts[0]}/`;
}

function forbidden({ from, to }: Import): boolean {
  const rule = RULES.find(({ of }) => from.startsWith(of));
  if (!rule) return true;
  const own = rule.of.endsWith('.ts') ? rule.of : folderOf(from);
  return !to.startsWith(own) && !rule.may.some((allowed) => to.startsWith(allowed));
}

/** A cycle as the files along it; `undefined` where there is none. */
function cycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string): string[] | undefined => {
    const at = path.indexOf(file);
    if (at !== -1) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const found = walk(next);
      if (found) return found;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const found = walk(file);
    if (found) return found;
  }
  return undefined;
}

const files = FOLDERS.flatMap(sources);
const imports = files
  .flatMap(importsOf)
  .filter((one, i, all) => all.findIndex((o) => o.from === one.from && o.to === one.to) === i);
const problems: string[] = [];
// What is certainly there: if the parser were to see nothing, this would say so.
if (files.length < 100) problems.push(`only ${files.length} modules were seen`);
if (imports.length < files.length) problems.push(`only ${imports.length} imports were seen in ${files.length} modules`);
if (!imports.some(({ from, to }) => from === 'agent/link.ts' && to === 'src/protocol/messages.ts')) {
  problems.push('agent/link.ts was not seen to import src/protocol/messages.ts');
}
for (const { from, to } of imports) if (!files.includes(to)) problems.push(`${from} imports ${to}, which is not there`);
for (const one of imports.filter(forbidden)) problems.push(`${one.from} may not import ${one.to}`);
const graph = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
const circle = cycle(graph);
if (circle) problems.push(`a cycle: ${circle.join(' → ')}`);

for (const problem of problems) console.error(problem);
console.log(`imports: ${files.length} modules, ${imports.length} imports, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
