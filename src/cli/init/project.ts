import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Suggestion } from './contract.ts';

/** How a folder is built and started, as its own files say: package.json, Cargo.toml, go.mod, Makefile, Python's. */

export interface Project {
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  readonly build?: string | undefined;
  readonly run?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The one npm package that this folder only installs. */
  readonly only?: string | undefined;
  readonly suggestions: readonly Suggestion[];
}

interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly main?: unknown;
  readonly scripts?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, unknown>>;
  readonly devDependencies?: Readonly<Record<string, unknown>>;
}

const text = (value: unknown) => (typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined);

/** Reads what is there; says less rather than something wrong. Never throws. */
export function projectOf(root: string): Project {
  const manifest = readManifest(join(root, 'package.json'));
  if (manifest) return nodeProject(root, manifest);
  const cargo = readText(join(root, 'Cargo.toml'));
  if (cargo !== undefined) {
    const section = /\[package\]([\s\S]*?)(\n\[|$)/.exec(cargo)?.[1] ?? '';
    const field = (key: string) => new RegExp(`^\\s*${key}\\s*=\\s*"([^"]+)"`, 'm').exec(section)?.[1];
    const name = field('name');
    return {
      name,
      version: field('version'),
      build: 'cargo build --release',
      run: name === undefined ? undefined : `./target/release/${name}`,
      suggestions: [{ key: 'cache', value: '[target]', why: 'builds share what they have compiled' }],
    };
  }
  const go = readText(join(root, 'go.mod'));
  if (go !== undefined) {
    const name = basename(/^module\s+(\S+)/m.exec(go)?.[1] ?? root);
    const main = existsSync(join(root, 'main.go'));
    return main
      ? { name, build: `go build -o ${name} .`, run: `./${name}`, suggestions: [] }
      : {
          name,
          suggestions: [{ key: 'build', value: `go build -o ${name} ./cmd/${name}`, why: 'where is its main?' }],
        };
  }
  const suggestions: Suggestion[] = [];
  if (existsSync(join(root, 'requirements.txt'))) {
    const value = 'python3 -m venv .venv && .venv/bin/pip install -r requirements.txt';
    suggestions.push({ key: 'build', value, why: 'then `run: .venv/bin/python …`' });
  } else if (existsSync(join(root, 'pyproject.toml'))) {
    const value = 'python3 -m venv .venv && .venv/bin/pip install .';
    suggestions.push({ key: 'build', value, why: 'then `run: .venv/bin/…`' });
  } else if (existsSync(join(root, 'Makefile'))) {
    suggestions.push({ key: 'build', value: 'make', why: 'there is a Makefile' });
  }
  return { suggestions };
}

/** A package.json; `undefined` where there is none that can be read. */
export function readManifest(file: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

function nodeProject(root: string, manifest: Manifest): Project {
  const needs = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  const started = startOf(root, manifest);
  const installed = Object.keys(manifest.dependencies ?? {});
  const [only] = installed;
  return {
    name: text(manifest.name)?.replace(/^@[^/]*\//, ''),
    version: text(manifest.version),
    build: buildOf(root, needs.length > 0, text(manifest.scripts?.build) !== undefined),
    run: started?.run,
    env: started?.env,
    only: installed.length === 1 && started === undefined ? only : undefined,
    suggestions: [],
  };
}

function buildOf(root: string, needs: boolean, builds: boolean): string | undefined {
  const has = (name: string) => existsSync(join(root, name));
  const [install, tool] = has('pnpm-lock.yaml')
    ? ['pnpm install --frozen-lockfile', 'pnpm']
    : has('yarn.lock')
      ? ['yarn install --frozen-lockfile', 'yarn']
      : has('package-lock.json') || has('npm-shrinkwrap.json')
        ? ['npm ci', 'npm']
        : [needs ? 'npm install' : undefined, 'npm'];
  const steps = [install, builds ? `${tool} run build` : undefined].filter((step) => step !== undefined);
  return steps.length > 0 ? steps.join(' && ') : undefined;
}

/** `npm start`, without npm where a shell is not needed for it: npm would stand between Fettle and the app. */
function startOf(root: string, manifest: Manifest): Pick<Project, 'run' | 'env'> | undefined {
  const script = text(manifest.scripts?.start);
  if (script !== undefined) {
    const env: Record<string, string> = {};
    let rest = script;
    for (;;) {
      const [all, key, value] = /^([A-Za-z_]\w*)=([^\s"'$`\\]*)\s+/.exec(rest) ?? [];
      if (all === undefined || key === undefined) break;
      env[key] = value ?? '';
      rest = rest.slice(all.length);
    }
    rest = rest.replace(/^exec\s+/, '');
    if (/[&|;<>$`()*?\n]|^npm\b|^yarn\b|^pnpm\b/.test(rest)) return { run: 'npm start' };
    return { run: rest, ...(Object.keys(env).length > 0 ? { env } : {}) };
  }
  const main = text(manifest.main);
  for (const file of [main, 'server.js', 'index.js', 'index.mjs']) {
    if (file !== undefined && existsSync(join(root, file))) return { run: `node ${file}` };
  }
  return undefined;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
