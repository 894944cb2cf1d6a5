import { type Role, roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { Button, Language } from '../domain/reply.ts';
import type { Command, CommandResult } from './contract.ts';

/** What is said where it is not clear what was meant: short, with a button for each thing that it may have been. */

const EN = {
  which: (said: string) => `What do you mean by “${said}”?`,
  sure: (said: string) => `“${said}”: shall I do it?`,
  unclear: 'I did not understand that.',
  greeting: 'What shall I do?',
  say: 'Say “check for updates”, “update”, “restart” or “status”, or press a button.',
};
const ZH: typeof EN = {
  which: (said) => `“${said}”是指哪一个？`,
  sure: (said) => `“${said}”：要执行吗？`,
  unclear: '我没明白您的意思。',
  greeting: '需要我做什么？',
  say: '可以说“检查更新”“更新”“重启”“状态”，或者点下面的按钮。',
};
const TEXT = { en: EN, zh: ZH };

/** Offered to somebody who was not understood. */
const USUAL = ['/update check', '/update status', '/help'];
const MOST = 4;

interface Reader {
  readonly language: Language;
  readonly role: Role;
}

/** Asks which of several commands was meant. Runs nothing. @throws {FettleError} `not_allowed` where they may run none */
export function whichOne(
  said: string,
  lines: readonly string[],
  commands: readonly Command[],
  { language, role }: Reader,
): CommandResult {
  const text = TEXT[language];
  const known = lines.flatMap((line) => commandOf(line, commands) ?? []);
  const allowed = lines.filter((line) => mayRun(line, commands, role));
  const [first] = known;
  if (allowed.length === 0 && first) {
    throw new FettleError('not_allowed', { data: { needed: first.role, has: role } });
  }
  const short = shorten(said);
  return {
    reply: {
      tone: 'info',
      title: lines.length > 1 ? text.which(short) : text.sure(short),
      buttons: allowed.map((line) => buttonOf(line, commands, language)),
    },
    failed: true,
  };
}

/** Nothing was understood. @param heard commands whose phrases occur in it */
export function notUnderstood(
  said: string,
  heard: readonly string[],
  commands: readonly Command[],
  { language, role }: Reader,
): CommandResult {
  const text = TEXT[language];
  const lines = [...new Set([...heard.slice(0, 2), ...USUAL])].filter((line) => mayRun(line, commands, role));
  return {
    reply: {
      tone: 'info',
      title: said === '' ? text.greeting : text.unclear,
      text: [text.say],
      buttons: lines.slice(0, MOST).map((line) => buttonOf(line, commands, language)),
    },
    failed: said !== '',
  };
}

/** The command that a line of text begins with. */
function commandOf(line: string, commands: readonly Command[]): Command | undefined {
  return commands
    .filter(({ name }) => line === `/${name}` || line.startsWith(`/${name} `))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

function mayRun(line: string, commands: readonly Command[], role: Role): boolean {
  const command = commandOf(line, commands);
  return command !== undefined && roleAllows(role, command.role);
}

function buttonOf(line: string, commands: readonly Command[], language: Language): Button {
  const command = commandOf(line, commands);
  const label = command?.label?.[language];
  if (!command || label === undefined) return { label: line, command: line };
  return { label: `${label}${line.slice(command.name.length + 1)}`, command: line };
}

function shorten(said: string): string {
  const characters = [...said];
  return characters.length > 40 ? `${characters.slice(0, 40).join('')}…` : said;
}
