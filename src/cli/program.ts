import { Command, InvalidArgumentError, Option } from 'commander';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { defaultHome } from './default-home.ts';
import { addDeviceCommands } from './device-commands.ts';
import { showError } from './show-error.ts';
import { VERSION } from './version.ts';

/** The command line for people. Each subcommand loads only what it needs. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  const environment = readEnvironment();
  // Whoever reads our output may stop reading (`fettle up --detach | head`): what was begun is finished all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const program = new Command('fettle')
    .description('Keeps the bots, services and devices you run up to date, from the chat you already use.')
    .version(VERSION, '-V, --version')
    .addOption(
      new Option('--home <folder>', 'where Fettle keeps everything').default(
        undefined,
        '$FETTLE_HOME, else ./data or ~/.fettle',
      ),
    )
    .option('--config <file>', 'configuration to use instead of HOME/fettle.yaml')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(fettle --help shows all commands)')
    .exitOverride((error) => {
      throw error;
    });
  const layout = () => {
    const { home } = program.opts<{ home?: string }>();
    return homeLayout(home ?? environment.home ?? defaultHome(environment), environment.runtimeFolder);
  };
  const config = () => program.opts<{ config?: string }>().config;

  program
    .command('up', { isDefault: true })
    .description('start everything on this machine (keeper, agent, hub, apps) and open the chat')
    .option('-d, --detach', 'leave it running in the background; end it with `fettle down`')
    .addHelpText(
      'after',
      '\nWith a terminal it opens a chat; with piped input each line is a message (exit code 1 if one failed);\nwith neither it serves until SIGTERM.',
    )
    .action(async (options: { detach?: boolean }) => {
      const { runUp } = await import('./run-up.ts');
      process.exitCode = await runUp({
        layout: layout(),
        environment,
        config: config(),
        detach: options.detach === true,
      });
    });
  program
    .command('down')
    .description('stop everything that `fettle up --detach` started, apps included')
    .action(async () => {
      const { runDown } = await import('./down.ts');
      process.exitCode = await runDown(layout());
    });
  program
    .command('chat')
    .description('open the chat of a running hub')
    .action(async () => {
      const { runChat } = await import('./chat.ts');
      process.exitCode = await runChat({
        socket: layout().runtime.hubSocket,
        input: process.stdin,
        output: process.stdout,
        language: environment.language ?? 'en',
        color: environment.color,
      });
    });
  program
    .command('say')
    .description(
      'send one message to a running hub and print the replies until the final one; exit code 1 if it failed',
    )
    .argument('<text...>', "the message, such as '/update check web'")
    .option('--json', 'print one JSON object a line')
    .option('--timeout <seconds>', 'give up waiting after this', seconds, 3_600)
    .action(async (text: string[], options: { json?: boolean; timeout: number }) => {
      const { runSay } = await import('./say.ts');
      process.exitCode = await runSay({
        socket: layout().runtime.hubSocket,
        text: text.join(' '),
        json: options.json === true,
        output: process.stdout,
        language: environment.language ?? 'en',
        color: environment.color,
        timeoutMs: options.timeout * 1_000,
      });
    });
  program
    .command('publish')
    .description(
      'put a release into a feed: a folder that the sources `folder` and `feed` read, and any web server can serve',
    )
    .argument('<version>', 'a semantic version, such as 1.4.0')
    .argument('<file...>', 'archives (.tar.gz, .tar.zst, .zip), each as PLATFORM=FILE or FILE for every platform')
    .requiredOption('--app <name>', 'the app')
    .requiredOption('--to <folder>', 'the feed')
    .option('--channel <name>', 'stable unless the version is a prerelease')
    .option('--notes <text>', 'what is new')
    .option('--expires <days>', 'days until the index has to be published anew', days, 90)
    .action(
      async (
        version: string,
        files: string[],
        options: { app: string; to: string; channel?: string; notes?: string; expires: number },
      ) => {
        const { describePublished, publish } = await import('./publish.ts');
        const { machineClock } = await import('./npm-tools.ts');
        const published = await publish({
          folder: options.to,
          app: options.app,
          version,
          files: files.map((file) => {
            const [, platform = 'any', path = file] = /^([a-z0-9]+-[a-z0-9_]+|any)=(.+)$/.exec(file) ?? [];
            return { platform, path };
          }),
          channel: options.channel,
          notes: options.notes,
          expiresDays: options.expires,
          clock: machineClock,
        });
        for (const line of describePublished(published)) console.log(line);
      },
    );
  program
    .command('rescue')
    .description(
      'get an app to run again on this device, whatever else is dead: no hub, agent, keeper or network is needed',
    )
    .argument('<app>', 'the app; `hub` and `agent` are apps, too')
    .option('--to <version>', 'start this version (or slot), which is on the device')
    .option('--keep-data', 'leave the data as it is, also where an interrupted update would bring the older back')
    .option('--force', 'also where the app is well, and where the agent is at work on it')
    .option('--json', 'print one JSON object at the end instead')
    .addHelpText(
      'after',
      `
An update that was interrupted is taken back first, with the data as it was before. Then the current version is
started if nothing speaks against it, else the last good one, else the newest other one that is whole. Versions
whose files are damaged are passed over. Ctrl-C is safe: the same command goes on.

Exit code 0: it runs and is well; 1: it runs but is ill, or does not stay; 2: it was not started, and why.`,
    )
    .action(async (app: string, options: { to?: string; keepData?: boolean; force?: boolean; json?: boolean }) => {
      const { runRescue } = await import('./rescue.ts');
      process.exitCode = await runRescue({
        layout: layout(),
        environment,
        config: config(),
        app,
        to: options.to,
        keepData: options.keepData === true,
        force: options.force === true,
        json: options.json === true,
        print: (line) => console.log(line),
      });
      // An app that was started here is still a child of this process, which would wait for it.
      process.exit();
    });
  addDeviceCommands(program, { layout, environment, config });
  program
    .command('doctor')
    .description(
      'tell what is wrong with this set-up and how to mend it; exit code 1 where something is. Changes nothing',
    )
    .option('--json', 'print one JSON object')
    .option('--deep', 'compare the hash of every file in backups, too')
    .action(async (options: { json?: boolean; deep?: boolean }) => {
      const { runDoctor } = await import('./doctor/index.ts');
      process.exitCode = await runDoctor({
        layout: layout(),
        environment,
        config: config(),
        json: options.json === true,
        deep: options.deep === true,
        say: (line) => console.log(line),
      });
    });
  program
    .command('version')
    .description('print the versions of Fettle and Node')
    .action(() =>
      console.log(`fettle ${VERSION} (node ${process.versions.node}, ${process.platform}-${process.arch})`),
    );
  for (const [role, what] of [
    ['keeper', 'the parent of everything that is kept on this device'],
    ['hub', 'the server: chats, commands, store'],
    ['agent', 'what carries out updates on this device'],
  ] as const) {
    program
      .command(role)
      .description(`run ${what}, alone (\`up\` starts all three)`)
      .action(async () => {
        const { runRole } = await import('./role.ts');
        const extra = [['--home', layout().home], config() === undefined ? [] : ['--config', config() ?? '']].flat();
        await runRole(role, extra);
      });
  }

  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    // Commander has printed what it wants to say; its help and version are no failures.
    const code = (error as { code?: string }).code ?? '';
    if (code.startsWith('commander.')) {
      process.exitCode = ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(code) ? 0 : 2;
      return;
    }
    console.error(await showError(error));
    process.exitCode = 2;
  }
}

function seconds(text: string): number {
  return positive(text, 'a number of seconds');
}

function days(text: string): number {
  return positive(text, 'a number of days');
}

function positive(text: string, what: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError(`Expected ${what}.`);
  return value;
}
