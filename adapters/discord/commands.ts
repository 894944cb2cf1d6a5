import type { Localized, MenuArgument, MenuCommand } from '../../src/chat/contract.ts';

/**
 * The command table as slash commands (Interactions, Application Commands), and an interaction back as the text that
 * somebody would have typed. Pure. A group becomes a command with subcommands; because such a command can't be called by
 * itself, its bare form is the subcommand `overview`.
 */

export interface SlashOption {
  /** 1 subcommand, 3 string, 5 boolean. */
  readonly type: 1 | 3 | 5;
  readonly name: string;
  readonly description: string;
  readonly description_localizations: Readonly<Record<string, string>>;
  readonly required?: boolean;
  readonly autocomplete?: boolean;
  readonly choices?: readonly { readonly name: string; readonly value: string }[];
  readonly options?: readonly SlashOption[];
}

export interface SlashCommand {
  readonly type: 1;
  readonly name: string;
  readonly description: string;
  readonly description_localizations: Readonly<Record<string, string>>;
  readonly options: readonly SlashOption[];
}

/** An option as an interaction brings it. */
export interface GivenOption {
  readonly name: string;
  readonly type: number;
  readonly value?: string | number | boolean | undefined;
  readonly focused?: boolean | undefined;
  readonly options?: readonly GivenOption[] | undefined;
}

/** Subcommands of one command, and options of one subcommand, at most. */
const MOST = 25;
const BARE = 'overview';
const COMPLETED: readonly MenuArgument['kind'][] = ['app', 'version', 'update', 'backup', 'device', 'selector'];

/** Groups with more than 25 commands go on in `/GROUP-more`, `/GROUP-more2`, … */
export function slashCommands(commands: readonly MenuCommand[]): readonly SlashCommand[] {
  return [...rootsOf(commands)].map(([name, members]): SlashCommand => {
    const [only] = members;
    if (members.length === 1 && only && only.sub === undefined) {
      return { type: 1, name, ...texts(only.command.help), options: optionsOf(only.command) };
    }
    const bare = members.find(({ sub }) => sub === BARE)?.command;
    const help = bare?.help ?? { en: `${name} …`, zh: `${name} …` };
    return {
      type: 1,
      name,
      ...texts(help),
      options: members.map(({ sub, command }) => ({
        type: 1,
        name: sub ?? BARE,
        ...texts(command.help),
        options: optionsOf(command),
      })),
    };
  });
}

/**
 * The line that an interaction stands for: `/update now web@1.2.0 --dry-run`. A command that is not known (an older
 * version registered it) becomes the same words; the core says what it thinks of them.
 *
 * @param but leaves out the option that is being typed
 */
export function lineOf(
  data: { readonly name: string; readonly options?: readonly GivenOption[] | undefined },
  commands: readonly MenuCommand[],
  but?: string,
): string {
  const nested = data.options?.find(({ type }) => type === 1 || type === 2);
  const given = (nested?.options ?? data.options ?? []).filter(({ name }) => name !== but);
  const command = rootsOf(commands)
    .get(data.name)
    ?.find(({ sub }) => sub === nested?.name)?.command;
  if (!command) {
    const words = given.map(({ name, value }) => (value === true ? `--${name}` : quote(String(value ?? ''))));
    return [`/${data.name}`, nested?.name, ...words].filter((word) => word).join(' ');
  }
  const values = new Map(given.map(({ name, value }) => [name, value]));
  const words: string[] = [];
  for (const argument of command.arguments) {
    const value = values.get(optionName(argument));
    if (value === undefined || value === false || value === '') continue;
    const text = String(value);
    const app = String(values.get('app') ?? '');
    const version = command.arguments.some(({ kind }) => kind === 'version') && String(values.get('version') ?? '');
    switch (argument.kind) {
      case 'app':
        // `web@1.2.0` is one word, whether it was put into two fields or, by completion, into one.
        if (!version) words.push(quote(text));
        break;
      case 'flag':
        words.push(argument.written);
        break;
      case 'option':
        words.push(argument.written.split(' ')[0] ?? '', quote(text));
        break;
      case 'selector':
        words.push('on', quote(text.replace(/^on\s+/i, '')));
        break;
      case 'text':
        // It takes the words as they stand.
        words.push(text.trim());
        break;
      case 'version':
        words.push(quote(app === '' || text.includes('@') ? text : `${app}@${text}`));
        break;
      default:
        words.push(quote(text));
    }
  }
  return [`/${command.name}`, ...words].join(' ');
}

/** The option that is being typed, with what is there of it. */
export function focusedOption(options: readonly GivenOption[] | undefined): GivenOption | undefined {
  for (const option of options ?? []) {
    const found = option.focused ? option : focusedOption(option.options);
    if (found) return found;
  }
  return undefined;
}

interface Member {
  /** `undefined`: the command has no subcommands. */
  readonly sub: string | undefined;
  readonly command: MenuCommand;
}

function rootsOf(commands: readonly MenuCommand[]): ReadonlyMap<string, readonly Member[]> {
  const groups = new Map<string, MenuCommand[]>();
  for (const command of commands) {
    const group = command.name.split(' ')[0] ?? '';
    groups.set(group, [...(groups.get(group) ?? []), command]);
  }
  const roots = new Map<string, readonly Member[]>();
  for (const [group, members] of groups) {
    if (members.length === 1 && members[0]?.name === group) {
      roots.set(group, [{ sub: undefined, command: members[0] }]);
      continue;
    }
    const named = members.map((command) => ({
      sub: command.name === group ? BARE : command.name.split(' ').slice(1).join('-').toLowerCase(),
      command,
    }));
    for (let i = 0; i * MOST < named.length; i += 1) {
      const name = i === 0 ? group : `${group}-more${i === 1 ? '' : i}`;
      roots.set(name, named.slice(i * MOST, (i + 1) * MOST));
    }
  }
  return roots;
}

function optionsOf(command: MenuCommand): readonly SlashOption[] {
  const options = command.arguments.slice(0, MOST).map((argument): SlashOption => {
    const base = { name: optionName(argument), ...texts(argument.help) };
    // An app may always be left out: the one that is meant is found, or asked for.
    const required = !argument.optional && argument.kind !== 'app';
    if (argument.kind === 'flag') return { type: 5, ...base, required: false };
    if (argument.kind === 'choice') {
      const choices = argument.values.slice(0, MOST).map((value) => ({ name: value, value }));
      return { type: 3, ...base, required, choices };
    }
    return { type: 3, ...base, required, autocomplete: COMPLETED.includes(argument.kind) };
  });
  return [...options.filter(({ required }) => required), ...options.filter(({ required }) => !required)];
}

/** `dryRun` → `dry-run`, as it is typed. */
function optionName({ key }: MenuArgument): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).slice(0, 32);
}

function texts(help: Localized) {
  const short = (text: string) => ([...text].length > 100 ? `${[...text].slice(0, 99).join('')}…` : text || '…');
  return { description: short(help.en), description_localizations: { 'zh-CN': short(help.zh) } };
}

/** A value that stays one word, and is no flag. */
function quote(value: string): string {
  const text = value.trim();
  if (!/\s/.test(text) && !/^[-—"'“”‘「『]/.test(text)) return text;
  const mark = text.includes('"') ? (text.includes("'") ? undefined : "'") : '"';
  return mark === undefined ? `"${text.replace(/"/g, '')}"` : `${mark}${text}${mark}`;
}
