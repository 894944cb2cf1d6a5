import { realpathSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { argumentText, placeholderIn, type ToolArgument, type ToolConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';

/** What comes from outside, into the placeholders of a tool's command: checked one by one, each one argument, no shell. */

const MOST = 200;
/** Where the file gives no pattern. A first `-` would make an option of it. */
const WORD = /^[\p{L}\p{N}_][\p{L}\p{N}_.@:+=-]*$/u;

/**
 * The whole command line. Values stand in the order in which the file declares the arguments; an optional one that is
 * missing is left out, with its placeholder.
 *
 * @throws {FettleError} `tool_refused {tool, what, expected}`, and nothing is run
 */
export function argvFor(name: string, tool: ToolConfig, given: readonly string[]): readonly string[] {
  const declared = Object.entries(tool.args);
  const refuse = (what: string, expected: string) =>
    new FettleError('tool_refused', { data: { tool: name, what, expected } });
  if (given.length > declared.length) {
    const extra = given.slice(declared.length).join(' ').slice(0, 60);
    throw refuse(extra, declared.length === 0 ? 'no arguments' : `${declared.length} at most`);
  }
  const values = new Map<string, string>();
  for (const [index, [key, argument]] of declared.entries()) {
    const value = given[index];
    if (value === undefined) {
      if (!argument.optional) throw refuse(key, argumentText(argument));
      continue;
    }
    const read = readValue(argument, value);
    if (read === undefined) throw refuse(`${key} ${value.slice(0, 60)}`, argumentText(argument));
    values.set(key, read);
  }
  return tool.run.flatMap((element) => {
    const key = placeholderIn(element);
    if (key === undefined) return [element];
    const value = values.get(key);
    return value === undefined ? [] : [value];
  });
}

/** The argument as the program gets it; `undefined` where it is none. */
function readValue(argument: ToolArgument, value: string): string | undefined {
  if (value === '' || value.length > MOST || [...value].some((c) => c < ' ' || c === '\x7f')) return undefined;
  switch (argument.type) {
    case 'word':
      if (value.startsWith('-')) return undefined;
      return (argument.pattern === undefined ? WORD : new RegExp(`^(?:${argument.pattern})$`, 'u')).test(value)
        ? value
        : undefined;
    case 'number': {
      if (!(argument.decimals ? /^-?\d{1,15}(\.\d{1,15})?$/ : /^-?\d{1,15}$/).test(value)) return undefined;
      const number = Number(value);
      return number >= argument.min && number <= argument.max ? value : undefined;
    }
    case 'choice':
      return argument.values.find((one) => one === value);
    case 'path':
      return pathUnder(argument.under, value);
  }
}

/** The real path of something that is there, in one of the folders; what a link makes of it is judged, not how it is written. */
function pathUnder(roots: readonly string[], value: string): string | undefined {
  if (value.startsWith('-') || value.split('/').includes('..')) return undefined;
  for (const root of roots) {
    try {
      const real = realpathSync(root);
      const found = realpathSync(isAbsolute(value) ? resolve(value) : join(real, value));
      if (found === real || found.startsWith(`${real}/`)) return found;
    } catch {
      // Not there, or not in this one.
    }
  }
  return undefined;
}
