import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * Native modules of a slot, and which Node.js they are for. One for another ABI fails only when it is loaded, which is when
 * the version before has been stopped already.
 */

/** The symbol that a module's entry point has, unless it is made for every ABI (Node-API). */
const ENTRY = /node_register_module_v(\d+)/g;
/** Larger than any module; what is larger is none. */
const MAX_BYTES = 300_000_000;

/**
 * The package of a slot whose native module was installed for another ABI than `abi`, and is not there for this one;
 * `undefined` where all can be loaded, or where there is nothing to tell.
 *
 * @param installedFor the ABI that the slot was made for
 */
export function unfitModule(slot: string, installedFor: string, abi: string): string | undefined {
  if (installedFor === abi || installedFor === '') return undefined;
  const abis = new Map<string, Set<string>>();
  for (const file of modulesIn(slot)) {
    const owner = packageOf(slot, file);
    const known = abis.get(owner) ?? new Set();
    // A package may bring modules for several: one that fits is enough.
    for (const found of abisOf(file)) known.add(found);
    abis.set(owner, known);
  }
  for (const [owner, known] of abis) if (known.has(installedFor) && !known.has(abi)) return owner;
  return undefined;
}

function modulesIn(slot: string): string[] {
  const found: string[] = [];
  const queue = [slot];
  for (let next = 0; next < queue.length; next += 1) {
    const folder = queue[next] as string;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) queue.push(path);
      else if (entry.isFile() && entry.name.endsWith('.node')) found.push(path);
    }
  }
  return found;
}

function abisOf(file: string): string[] {
  const content = readFileSync(file);
  if (content.length > MAX_BYTES) return [];
  return [...content.toString('latin1').matchAll(ENTRY)].map(([, abi = '']) => abi);
}

/** `node_modules/@scope/name` or `node_modules/name`, the innermost; else the file's folder. */
function packageOf(slot: string, file: string): string {
  const path = relative(slot, file);
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? dirname(path);
}
