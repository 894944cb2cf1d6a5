import type { AppConfig } from '../../config/agent-schema.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { SLOT } from './surroundings.ts';

/** The command that the keeper runs where the agent does not come back; and what it tells of who starts the app. */

const UNIT = 'fettle-unit';
const COMMANDS = 'way-back';

/** Has systemd start a unit, although it may have given it up. @param mark a file that keeps it from starting it */
export function unitWayBack(unit: string, user: boolean, mark: string): string[] {
  const text = 'rm -f -- "$1"; systemctl "$2" reset-failed -- "$3"; exec systemctl "$2" start -- "$3"';
  return ['/bin/sh', '-c', text, UNIT, mark, user ? '--user' : '--system', unit];
}

/** Stops what runs, so that it never runs twice, then starts it. */
export function commandWayBack(start: readonly string[], stop: readonly string[]): string[] {
  const stops = stop.map((_word, index) => `"\${${index + 1}}"`).join(' ');
  const script = `${stops}; shift ${stop.length}; exec "$@"`;
  return ['/bin/sh', '-c', script, COMMANDS, ...stop, ...start];
}

/** Who starts an app, where its file does not say: as the keeper was told last. */
export function restartOf({ argv, once }: Pick<KeepSpec, 'argv' | 'once'>): AppConfig['restart'] {
  const [, , script = '', name, ...rest] = argv;
  if (once && name === UNIT) return { kind: 'systemd', unit: rest[2] ?? '', user: rest[1] === '--user' };
  if (once && name === COMMANDS) {
    const stops = Number(/; shift (\d+); /.exec(script)?.[1] ?? 0);
    return { kind: 'command', stop: asCommand(rest.slice(0, stops)), start: asCommand(rest.slice(stops)) };
  }
  return { kind: 'kept' };
}

/** A path in the slot is written from the slot on. */
function asCommand([program = '', ...rest]: readonly string[]): [string, ...string[]] {
  return [program.startsWith(`${SLOT}/`) ? `.${program.slice(SLOT.length)}` : program, ...rest];
}
