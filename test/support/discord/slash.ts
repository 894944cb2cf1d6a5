/**
 * Somebody fills in a slash command: from the line that they have in mind to the options of an interaction, by the
 * commands that are registered. `undefined`: no form for it, so it is typed as a message.
 */

export interface RegisteredOption {
  readonly type: number;
  readonly name: string;
  readonly required?: boolean;
  readonly choices?: readonly { readonly name: string; readonly value: string }[];
  readonly options?: readonly RegisteredOption[];
}

export interface RegisteredCommand {
  readonly name: string;
  readonly options?: readonly RegisteredOption[];
}

export interface FilledOption {
  readonly type: number;
  readonly name: string;
  readonly value?: string | boolean;
  readonly focused?: boolean;
  readonly options?: readonly FilledOption[];
}

export interface FilledCommand {
  readonly name: string;
  readonly options: readonly FilledOption[];
}

export function fillIn(line: string, commands: readonly RegisteredCommand[]): FilledCommand | undefined {
  const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, '$1'));
  const command = commands.find(({ name }) => `/${name}` === words[0]);
  if (!command) return undefined;
  const subcommands = (command.options ?? []).filter(({ type }) => type === 1);
  if (subcommands.length === 0) {
    const options = fillOptions(words.slice(1), command.options ?? []);
    return options && { name: command.name, options };
  }
  const named = subcommands.find(({ name }) => name === (words[1] ?? 'overview'));
  const options = named && fillOptions(words.slice(2), named.options ?? []);
  return options && { name: command.name, options: [{ type: 1, name: named.name, options }] };
}

function fillOptions(words: readonly string[], options: readonly RegisteredOption[]): FilledOption[] | undefined {
  const filled = new Map<string, FilledOption>();
  const rest = [...words];
  const free = (name: string) => options.some((option) => option.name === name) && !filled.has(name);
  const put = (name: string, value: string | boolean) => {
    filled.set(name, { type: value === true ? 5 : 3, name, value });
    return true;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const given = word;
    const flag = options.find(({ name }) => given === `--${name}` || given.startsWith(`--${name}=`));
    if (flag) {
      const value = flag.type === 5 ? true : given.includes('=') ? given.split('=')[1] : rest.shift();
      if (value === undefined) return undefined;
      put(flag.name, value);
      continue;
    }
    if (given.startsWith('--')) return undefined;
    const [app = '', version] = given.split('@');
    const choice = options.find((option) => option.choices?.some(({ value }) => value === given) && free(option.name));
    const done =
      (choice && put(choice.name, given)) ||
      (version && free('app') && free('version') && put('app', app) && put('version', version)) ||
      (/^v?\d+\.\d+/.test(given) && free('version') && put('version', given)) ||
      (/^[ub]-/.test(given) && free('id') && put('id', given)) ||
      (free('app') && put('app', given)) ||
      (free('backup') && put('backup', given)) ||
      (free('device') && put('device', given)) ||
      (free('id') && put('id', given));
    if (done) continue;
    const text = options.find((option) => option.type === 3 && !option.choices && free(option.name));
    if (!text) return undefined;
    put(text.name, [given, ...rest.splice(0)].join(' '));
  }
  if (options.some(({ required, name }) => required && !filled.has(name))) return undefined;
  return [...filled.values()];
}
