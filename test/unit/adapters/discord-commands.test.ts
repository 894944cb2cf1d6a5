import { expect, test } from 'vitest';
import {
  focusedOption,
  type GivenOption,
  lineOf,
  type SlashOption,
  slashCommands,
} from '../../../adapters/discord/commands.ts';
import type { MenuCommand } from '../../../src/chat/contract.ts';
import { COMMANDS } from '../../../src/commands/index.ts';
import { refuseCommands } from '../../support/discord/validate.ts';

const registered = slashCommands(COMMANDS);
/** Every command with its options, by the line that calls it. */
const leaves = new Map<
  string,
  Pick<SlashOption, 'description' | 'description_localizations'> & { options: readonly SlashOption[] }
>(
  registered.flatMap(({ name, description, description_localizations, options }) => {
    const subcommands = options.filter(({ type }) => type === 1);
    if (subcommands.length === 0) return [[`/${name}`, { description, description_localizations, options }] as const];
    return subcommands.map((sub) => [`/${name} ${sub.name}`, { ...sub, options: sub.options ?? [] }] as const);
  }),
);
const bare = (name: string) => COMMANDS.some((other) => other.name.startsWith(`${name} `));
const lineFor = ({ name }: MenuCommand) => (bare(name) ? `/${name} overview` : `/${name}`);

test('what is registered is the command table, each command once, with help in both languages', () => {
  expect([...leaves.keys()].sort()).toEqual(COMMANDS.map(lineFor).sort());
  for (const command of COMMANDS) {
    const leaf = leaves.get(lineFor(command));
    expect(leaf?.description).toBe(command.help.en.slice(0, 100));
    expect(leaf?.description_localizations).toEqual({ 'zh-CN': command.help.zh.slice(0, 100) });
    expect(leaf?.options.map(({ name }) => name).sort()).toEqual(
      command.arguments.map(({ key }) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).sort(),
    );
  }
});

test('options are of the kind of their argument, the required ones first', () => {
  for (const command of COMMANDS) {
    const options = leaves.get(lineFor(command))?.options ?? [];
    const required = options.map((option: SlashOption) => option.required === true);
    expect(required).toEqual([...required].sort((a, b) => Number(b) - Number(a)));
    for (const argument of command.arguments) {
      const option = options.find(({ name }) => name.replaceAll('-', '') === argument.key.toLowerCase());
      expect(option?.type).toBe(argument.kind === 'flag' ? 5 : 3);
      expect(option?.choices?.map(({ value }) => value) ?? []).toEqual(
        argument.kind === 'choice' ? argument.values : [],
      );
      expect(option?.autocomplete ?? false).toBe(
        ['app', 'version', 'update', 'backup', 'device', 'selector'].includes(argument.kind),
      );
    }
  }
});

test('Discord takes it', () => {
  expect(refuseCommands(registered)).toBeUndefined();
});

const nothing = { kind: 'text' as const, optional: true, values: [], help: { en: 'x', zh: '某' } };

test('more subcommands than Discord has room for go on in another command; long texts are cut', () => {
  const many: MenuCommand[] = Array.from({ length: 60 }, (_, i) => ({
    name: `update c${i}`,
    role: 'viewer',
    help: { en: 'e'.repeat(300), zh: '很'.repeat(300) },
    arguments: Array.from({ length: 3 }, (_, j) => ({ ...nothing, key: `k${j}`, written: 'K' })),
  }));
  const made = slashCommands(many);
  expect(made.map(({ name, options }) => [name, options.length])).toEqual([
    ['update', 25],
    ['update-more', 25],
    ['update-more2', 10],
  ]);
  // What it weighs is Discord's own limit, which only absurd texts reach.
  const short = many.map((command) => ({ ...command, help: { en: 'e'.repeat(110), zh: '很' } }));
  expect(refuseCommands(slashCommands(short.slice(0, 26)))).toBeUndefined();
  expect(lineOf({ name: 'update-more', options: [{ type: 1, name: 'c30' }] }, many)).toBe('/update c30');
});

const sub = (name: string, ...options: GivenOption[]) => ({ name: 'update', options: [{ type: 1, name, options }] });
const given = (name: string, value: string | boolean) => ({ name, value, type: value === true ? 5 : 3 });

test.each([
  [sub('overview'), '/update'],
  [sub('now'), '/update now'],
  [sub('now', given('app', 'web')), '/update now web'],
  [sub('now', given('version', '1.2.0')), '/update now 1.2.0'],
  [sub('now', given('version', '1.2.0'), given('app', 'web')), '/update now web@1.2.0'],
  [sub('now', given('version', 'web@1.2.0'), given('app', 'web')), '/update now web@1.2.0'],
  [sub('now', given('force', true), given('dry-run', true)), '/update now --dry-run --force'],
  [sub('now', given('force', false)), '/update now'],
  [sub('now', given('app', ' my app ')), '/update now "my app"'],
  [sub('now', given('app', '--force')), '/update now "--force"'],
  [sub('now', given('app', 'the "big" one')), `/update now 'the "big" one'`],
  [sub('now', given('app', `it's "big"`)), `/update now "it's big"`],
  [sub('auto', given('app', 'web'), given('mode', 'minor')), '/update auto minor web'],
  [sub('history', given('limit', '5'), given('app', 'web')), '/update history web --limit 5'],
  [sub('restore', given('backup', 'web/3'), given('dry-run', true)), '/update restore web/3 --dry-run'],
  [{ name: 'settings', options: [given('entry', ' language zh ')] }, '/settings language zh'],
  [{ name: 'help', options: [] }, '/help'],
  [sub('gone', given('app', 'web'), given('hard', true)), '/update gone web --hard'],
  [{ name: 'gone' }, '/gone'],
])('%j is %s', (data, line) => {
  expect(lineOf(data, COMMANDS)).toBe(line);
});

test('what is being typed is found, and left out of the line', () => {
  const data = sub('now', given('app', 'web'), { ...given('version', '1.'), focused: true });
  expect(focusedOption(data.options)).toMatchObject({ name: 'version', value: '1.' });
  expect(lineOf(data, COMMANDS, 'version')).toBe('/update now web');
  expect(focusedOption(sub('now').options)).toBeUndefined();
});
