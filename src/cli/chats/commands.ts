import { Argument, type Command, InvalidArgumentError } from 'commander';
import { closest, distance } from 'fastest-levenshtein';
import { CHAT_PLATFORMS } from '../../../config/chat-secrets.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import type { ChatCommand, ChatFlags, ChatPlatform } from './contract.ts';
import type { RemoveFlags } from './remove.ts';

interface Context {
  readonly layout: () => HomeLayout;
  readonly environment: Environment;
  readonly config: () => string | undefined;
}

const platform = () =>
  new Argument('<platform>', 'which').choices([...CHAT_PLATFORMS]).argParser((typed) => {
    const known = CHAT_PLATFORMS.find((name) => name === typed.toLowerCase());
    if (known) return known;
    throw unknown(`chat platform ${typed}`, typed, CHAT_PLATFORMS);
  });
const JSON_OPTION = ['--json', 'print one JSON object'] as const;

/** `fettle chats …`. */
export function addChatCommands(program: Command, context: Context): void {
  const chats = program
    .command('chats')
    .description('the chats in which people give commands: Feishu, Discord, Telegram');
  chats
    .command('list', { isDefault: true })
    .description('tell which are set up, and how the running hub is connected')
    .allowExcessArguments()
    .option(...JSON_OPTION)
    .action(async (options: { json?: boolean }, { args: [word] }: Command) => {
      // Whatever is no command of `chats` comes here.
      if (word !== undefined) {
        const known = chats.commands.map((command) => command.name());
        throw unknown(`\`fettle chats ${word}\``, word, known);
      }
      await run(context, options.json, async (command) => {
        const { listChats } = await import('./list.ts');
        return listChats(command);
      });
    });
  chats
    .command('add')
    .description('set a chat up: takes its credentials, asks the platform whether they are good, waits for a message')
    .addArgument(platform())
    .option('--secret-file <file>', 'take the token (Feishu: the app secret) from there; - is standard input')
    .option('--in-place', 'leave the secret in that file, or in its variable, instead of copying it')
    .option('--app-id <id>', "Feishu: the app's id, cli_…")
    .option('--domain <domain>', 'Feishu: feishu, lark or an address')
    .option('--qr', 'Feishu: make an app by scanning a QR code')
    .option('--guild <id>', 'Discord: serve this server alone; may be given again', several, [])
    .option('--api <address>', "Discord, Telegram: another address of the platform's API")
    .option('--proxy <address>', 'an HTTP proxy for this chat; `none`: none')
    .option('--replace', 'another secret that is there, or other settings, may be replaced')
    .option('--no-check', 'do not ask the platform')
    .option('--restart', 'restart a hub that runs, so that it reads this')
    .option('--no-restart', 'leave a hub that runs alone, without asking')
    .option('--wait <seconds>', 'wait as long for a test message; at a terminal 180 unless given', seconds)
    .option('--no-wait', 'do not wait for a test message')
    .option('-n, --dry-run', 'only say what would be done; the platform is asked')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
The secret is never an argument: it comes from a file, from standard input, from FETTLE_TELEGRAM_TOKEN,
FETTLE_DISCORD_TOKEN or FETTLE_FEISHU_SECRET, or you are asked for it, and it is not shown. It is written to a file
beside fettle.yaml that its owner alone can read. What the platform refuses changes nothing.

Exit code 0: done, or said; 1: done, but no test message came; 2: refused, and why; 130: Ctrl-C.`,
    )
    .action(async (which: ChatPlatform, { json, ...flags }: ChatFlags & { json?: boolean }) => {
      await run(context, json, async (command) => {
        const { addChat } = await import('./add.ts');
        return addChat(which, flags, command);
      });
    });
  chats
    .command('test')
    .description('wait for a message to the bot, and say who wrote; exit code 1 where none comes')
    .addArgument(platform())
    .option('--wait <seconds>', 'give up after this; 180 unless given', seconds)
    .option(...JSON_OPTION)
    .action(async (which: ChatPlatform, options: { json?: boolean; wait?: number }) => {
      await run(context, options.json, async (command) => {
        const { testChat } = await import('./list.ts');
        return testChat(which, options.wait, command);
      });
    });
  chats
    .command('remove')
    .description('take a chat out of the file, with the secret that was put beside it')
    .addArgument(platform())
    .option('--keep-secret', 'leave the file with the secret')
    .option('--restart', 'restart a hub that runs, so that it reads this')
    .option('--no-restart', 'leave a hub that runs alone, without asking')
    .option('-n, --dry-run', 'only say what would be done')
    .option(...JSON_OPTION)
    .action(async (which: ChatPlatform, { json, ...flags }: RemoveFlags & { json?: boolean }) => {
      await run(context, json, async (command) => {
        const { removeChatHere } = await import('./remove.ts');
        return removeChatHere(which, flags, command);
      });
    });
}

function unknown(what: string, typed: string, known: readonly string[]): FettleError {
  const nearest = closest(typed.toLowerCase(), known);
  const hint = distance(typed.toLowerCase(), nearest) <= 2 ? ` Did you mean ${nearest}?` : '';
  return new FettleError('bad_arguments', {
    data: { reason: `there is no ${what}: ${known.join(', ')} are known.${hint}` },
  });
}

async function run(
  context: Context,
  json: boolean | undefined,
  work: (command: ChatCommand) => Promise<number>,
): Promise<void> {
  const { atTerminal } = await import('./session.ts');
  const { layout, environment, config } = context;
  process.exitCode = await atTerminal({ layout: layout(), environment, config: config(), json: json === true }, work);
}

function several(text: string, before: readonly string[]): string[] {
  return [...before, text];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || value > 86_400)
    throw new InvalidArgumentError('Expected a number of seconds.');
  return value;
}
