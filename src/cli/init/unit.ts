import { FettleError } from '../../domain/errors.ts';
import type { AskProgram } from './ask.ts';
import type { UnitFacts } from './contract.ts';

/** A systemd unit, as systemd itself says that it is. */

const SHOWN = ['LoadState', 'FragmentPath', 'ExecStart', 'WorkingDirectory', 'User', 'ActiveState'];

/** Is this the name of a unit rather than a path? */
export function isUnitName(text: string): boolean {
  return /^[A-Za-z0-9:_.@\\-]+\.service$/.test(text);
}

/** @throws {FettleError} `init_refused`: no systemd, no such unit, or one that can't be read */
export async function readUnit(unit: string, user: boolean, ask: AskProgram): Promise<UnitFacts> {
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path: unit, reason, advice } });
  const answer = await ask('systemctl', [...(user ? ['--user'] : []), 'show', unit, `--property=${SHOWN.join(',')}`]);
  if (answer === undefined) throw refuse('there is no systemctl here');
  const facts = new Map<string, string>();
  for (const line of answer.stdout.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) facts.set(line.slice(0, at), line.slice(at + 1));
  }
  if (answer.code !== 0 || !facts.has('LoadState')) throw refuse('systemd does not answer');
  if (facts.get('LoadState') !== 'loaded')
    throw refuse(
      `systemd knows no such unit${user ? '' : ' of the system'}`,
      user ? undefined : `Of a user: --user-unit`,
    );
  const argv = argvOf(facts.get('ExecStart') ?? '');
  if (argv === undefined)
    throw refuse('its ExecStart= is none, several, or goes through a shell', 'Make it one command.');
  return {
    unit,
    user,
    argv,
    workingDirectory: facts.get('WorkingDirectory')?.replace(/^[!~-]+/, '') || undefined,
    runsAs: facts.get('User') || undefined,
    active: ['active', 'activating', 'reloading'].includes(facts.get('ActiveState') ?? ''),
  };
}

/** `{ path=/usr/bin/node ; argv[]=/usr/bin/node index.js ; … }`; one command only. */
function argvOf(shown: string): readonly string[] | undefined {
  const commands = [...shown.matchAll(/\{ path=(\S+) ; argv\[\]=(.*?) ; ignore_errors=/g)];
  const [command] = commands;
  if (commands.length !== 1 || command === undefined) return undefined;
  const words = (command[2] ?? '').split(' ').filter((word) => word !== '');
  const shell = /\/(ba|da|z)?sh$/.test(command[1] ?? '') && words.includes('-c');
  return shell || words.length === 0 ? undefined : [command[1] ?? '', ...words.slice(1)];
}
