import { ROLES } from '../domain/app.ts';
import * as all from './all.ts';
import type { Command } from './contract.ts';

/** The commands that `all.ts` lists, in the order of the help: by group (`update` first), the bare one first, then by role and name; `/help` is the last. */
export const COMMANDS: readonly Command[] = inHelpOrder(Object.values(all));

function inHelpOrder(commands: readonly Command[]): readonly Command[] {
  const group = (command: Command) => command.name.split(' ')[0] ?? '';
  const size = (command: Command) => commands.filter((other) => group(other) === group(command)).length;
  const depth = (command: Command) => command.name.split(' ').length;
  const last = (command: Command) => Number(command.name === 'help');
  return [...commands].sort(
    (a, b) =>
      last(a) - last(b) ||
      Number(size(a) === 1) - Number(size(b) === 1) ||
      Number(group(a) !== 'update') - Number(group(b) !== 'update') ||
      alphabetically(group(a), group(b)) ||
      depth(a) - depth(b) ||
      ROLES.indexOf(a.role) - ROLES.indexOf(b.role) ||
      alphabetically(a.name, b.name),
  );
}

/** Names are ASCII: no collation is needed, whose tables take megabytes. */
function alphabetically(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export type { Command, CommandContext, CommandResult, Words } from './contract.ts';
export type * from './devices-services.ts';
export type * from './people-services.ts';
export type * from './services.ts';
export { createCommandTable, type Table } from './table.ts';
export type * from './tools-services.ts';
