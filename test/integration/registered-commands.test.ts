import { expect, test } from 'vitest';
import { COMMANDS } from '../../src/commands/index.ts';
import { startBot } from '../support/discord/bot.ts';
import { startDiscord } from '../support/discord/index.ts';
import { startBench } from '../support/telegram/adapter.ts';
import { until } from '../support/until.ts';

/**
 * What Discord and Telegram were given, against the command table. The mappings are written here once more, from the
 * platforms' pages: nothing of the adapters' is used. With FETTLE_PRINT=1 the table is printed.
 */

const HAN = /\p{Script=Han}/u;
/** A name as people type it: `/update now`. Groups can't be called by themselves on Discord. */
const GROUPS = new Set(COMMANDS.flatMap(({ name }) => (name.includes(' ') ? [name.slice(0, name.indexOf(' '))] : [])));

/** Discord's descriptions have 1 to 100 characters (Application Commands, "Application Command Object"). */
function within100(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`;
}

interface Given {
  readonly type: number;
  readonly name: string;
  readonly description: string;
  readonly description_localizations: Readonly<Record<string, string>>;
  readonly required?: boolean;
  readonly options?: readonly Given[];
}

test('Discord has every command, as a subcommand of its group, in English and Chinese', async () => {
  const discord = await startDiscord();
  const bot = await startBot(discord);
  try {
    const roots = await until('the registration', () => discord.commands.get('global') as readonly Given[] | undefined);
    const lines = new Map<string, Given>();
    for (const root of roots) {
      const subcommands = (root.options ?? []).filter(({ type }) => type === 1);
      for (const one of subcommands) lines.set(`${root.name} ${one.name}`, one);
      if (subcommands.length === 0) lines.set(root.name, root);
      expect(subcommands.length).toBeLessThanOrEqual(25);
      // Nobody sees the text of a group: Discord shows its subcommands.
      expect(root.description_localizations['zh-CN'], root.name).toBeTruthy();
    }
    const expected = COMMANDS.map((command) => {
      const line = GROUPS.has(command.name) ? `${command.name} overview` : command.name;
      const [group = '', ...rest] = line.split(' ');
      return { command, line: rest.length === 0 ? group : `${group} ${rest.join('-')}` };
    });
    expect([...lines.keys()].sort()).toEqual(expected.map(({ line }) => line).sort());
    for (const { command, line } of expected) {
      const given = lines.get(line);
      const both = [given?.description, given?.description_localizations['zh-CN']];
      expect(both, line).toEqual([command.help.en, command.help.zh].map(within100));
      expect(HAN.test(command.help.zh), line).toBe(true);
      const options = (given?.options ?? []).map(({ name, description, description_localizations: other }) => [
        name.replaceAll('-', ''),
        description,
        other['zh-CN'],
      ]);
      const inTable = command.arguments.map(({ key, help }) => [
        key.toLowerCase(),
        within100(help.en),
        within100(help.zh),
      ]);
      expect(options.sort(), line).toEqual(inTable.sort());
    }
    expect(lines.get('update now')).toMatchObject({
      options: expect.arrayContaining([expect.objectContaining({ name: 'app', type: 3, required: false })]),
    });
    print('discord', roots.length, lines.size);
  } finally {
    await bot.adapter.stop();
    await discord.close();
  }
});

test('Telegram has every command in one word, for private chats and groups, in English and Chinese', async () => {
  await using bench = await startBench();
  const menus = await until('four menus', () => {
    const all = bench.telegram.registered();
    return all.length === 4 && all;
  });
  for (const scope of ['all_private_chats', 'all_group_chats']) {
    for (const language of ['', 'zh']) {
      const menu = menus.find((one) => one.scope === scope && one.language === language);
      expect(menu?.commands, `${scope} ${language}`).toEqual(
        COMMANDS.map(({ name, help }) => ({
          command: name.split(/[ -]/).join('_'),
          description: language === 'zh' ? help.zh : help.en,
        })),
      );
      for (const { command, description } of menu?.commands ?? []) {
        expect(command).toMatch(/^[a-z0-9_]{1,32}$/);
        expect(HAN.test(description), `${command}: ${description}`).toBe(language === 'zh');
      }
    }
  }
  print('telegram', menus.length, menus[0]?.commands.length ?? 0);
});

function print(platform: string, registered: number, commands: number): void {
  if (!process.env.FETTLE_PRINT) return;
  const what = platform === 'discord' ? 'groups' : 'menus';
  process.stdout.write(
    `${platform.padEnd(9)} ${registered} ${what}, ${commands} commands each in en and zh; the table has ${COMMANDS.length}\n`,
  );
}
