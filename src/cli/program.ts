import { Command, InvalidArgumentError, Option } from 'commander';
import { closest, distance } from 'fastest-levenshtein';
import { CHAT_PLATFORMS } from '../../config/chat-secrets.ts';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { homeFile } from '../../config/load-device.ts';
import { addAuditCommands } from './audit/commands.ts';
import { addChatCommands } from './chats/commands.ts';
import { guardCommands } from './console.ts';
import { defaultHome } from './default-home.ts';
import { addDeviceCommands } from './device-commands.ts';
import type { InitFlags } from './init/flags.ts';
import { addPolicyCommands } from './policy/commands.ts';
import { addRoleCommands } from './role-commands.ts';
import { showError } from './show-error.ts';
import { addSigningCommands } from './signing/commands.ts';
import { unitName } from './unit-name.ts';
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
  const layout = (service = false) => {
    const { home } = program.opts<{ home?: string }>();
    return homeLayout(home ?? environment.home ?? defaultHome(environment, service), environment.runtimeFolder);
  };
  const config = () => program.opts<{ config?: string }>().config;

  guardCommands(program, () => {
    const at = { layout: layout(), configFile: config() ?? layout().config };
    return { ...at, userHome: environment.userHome, variables: environment.all };
  });

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
      process.exitCode = await runDown(layout(), environment);
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
    .command('claim')
    .description('print a code that makes you an admin of this hub in a chat: good for 10 minutes, once')
    .action(async () => {
      const { runClaim } = await import('./claim.ts');
      process.exitCode = await runClaim({ layout: layout(), environment, config: config(), print: console.log });
    });
  program
    .command('init')
    .description(
      'take over an app that is there already (a git checkout, an npm package, an executable, a systemd unit); says first what it would do',
    )
    .argument('[path]', 'a folder, an executable, npm:NAME or NAME.service; with --undo the app or its folder', '.')
    .option('--name <app>', 'its name; made of what is found unless given')
    .option('--source <source>', 'where releases come from, as in `source:`')
    .option('--build <command>', 'what makes a release of a checkout, as in `build:`')
    .option('--run <command>', 'how it is started, as in `run:`')
    .option('--keep <path>', 'data that outlives updates, beside what is found; may be given again', several, [])
    .option('--leave <path>', 'not kept, though it looks like data; may be given again', several, [])
    .option('--port <port>', 'it answers there while it is well')
    .option('--health <check>', 'http://…, tcp:PORT, log:TEXT or command:COMMAND; with --port a path')
    .option('--user <name>', 'who it runs as, where that is not you')
    .option('--current <version>', 'the version that is there, where it does not say')
    .option('--file <path>', 'of an executable: where it is in a release, as in `file:`')
    .option('--user-unit', 'the unit is one of `systemctl --user`')
    .option('--stop-pid <pid>', 'end this process, which runs it by hand; may be given again', several, [])
    .addOption(
      new Option(
        '--chat <platform>',
        'then set up this chat, as `fettle chats add`; at a terminal you are asked',
      ).choices(['terminal', ...CHAT_PLATFORMS]),
    )
    .option('-y, --yes', 'do it')
    .option('-n, --dry-run', 'only say what would be done')
    .option('--undo', 'give an app back: the layout of before, with the data of today')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
The running copy becomes the first release, so that an update can go back to it. Data is moved to the home once, and a
link stays in its place. Without --yes nothing is changed: at a terminal it asks, in a pipe it only says.
Cut off at any point, the same command goes on.

Exit code 0: done, or said; 2: refused, and why.`,
    )
    .action(async (target: string, given: InitFlags) => {
      const { initFromFlags } = await import('./init/flags.ts');
      process.exitCode = await initFromFlags(target, given, { layout: layout(), environment, config: config() });
    });
  const configuration = program
    .command('config')
    .description('look at the configuration: check it, explain it, print its schema');
  const configFile = (file: string | undefined) => homeFile(layout(), file ?? config());
  const say = (line: string) => console.log(line);
  configuration
    .command('check')
    .description(
      'tell everything that is wrong with the file, and what of it this machine lacks; exit code 1 where something is',
    )
    .argument('[file]', 'unless given: that of the home')
    .option('--json', 'print one JSON object')
    .action(async (file: string | undefined, options: { json?: boolean }) => {
      const { checkConfig } = await import('./config/check.ts');
      const { createAskProgram } = await import('./init/ask.ts');
      const ask = createAskProgram(environment.basic, AbortSignal.timeout(60_000));
      const path = environment.basic.PATH ?? '';
      const at = { layout: layout(), ask, path, variables: environment.all };
      process.exitCode = await checkConfig({ ...at, file: configFile(file), json: options.json === true, print: say });
    });
  configuration
    .command('explain')
    .description('tell what a key means, its default and what it is set to; or how Fettle treats an app')
    .argument('[what]', 'a key, such as apps.web.healthy.for or healthy.for; or an app')
    .option('--json', 'print one JSON object')
    .action(async (what: string | undefined, options: { json?: boolean }) => {
      const { explainConfig } = await import('./config/explain.ts');
      explainConfig({ layout: layout(), file: configFile(undefined), what, json: options.json === true, print: say });
    });
  configuration
    .command('schema')
    .description('print the JSON Schema of the file, for editors')
    .action(async () => {
      const { schemaText } = await import('./config/schema.ts');
      process.stdout.write(schemaText());
    });
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
  addPolicyCommands(program, { layout, environment });
  addChatCommands(program, { layout, environment, config });
  addSigningCommands(program, { environment });
  addAuditCommands(program, { layout });
  program
    .command('install-service')
    .description('have systemd start Fettle with the machine and keep it running; sets up a home where there is none')
    .option('--user', "a service of this user's own, without root")
    .option('--separate', 'the hub in a unit of its own, beside that of agent and apps')
    .option('--one-user', 'hub and apps as the user of the home, rather than as users of their own')
    .option('--name <name>', 'what the units are called', unitName, 'fettle')
    .option('--dry-run', 'print the units and commands, and do nothing')
    .option('--uninstall', 'stop the service and take its units away; apps and data stay in the home')
    .action(
      async (options: {
        user?: boolean;
        separate?: boolean;
        oneUser?: boolean;
        name: string;
        dryRun?: boolean;
        uninstall?: boolean;
      }) => {
        const told = new AbortController();
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => told.abort());
        const given = {
          layout: layout(options.user !== true),
          environment,
          config: config(),
          user: options.user === true,
          separate: options.separate === true,
          oneUser: options.oneUser === true,
          dryRun: options.dryRun === true,
          name: options.name,
          say: (line: string) => console.log(line),
          signal: told.signal,
        };
        if (options.uninstall) {
          const { runUninstallService } = await import('./service/uninstall.ts');
          process.exitCode = await runUninstallService(given);
        } else {
          const { runInstallService } = await import('./service/install.ts');
          process.exitCode = await runInstallService(given);
        }
      },
    );
  program
    .command('doctor')
    .description(
      'tell what is wrong with this set-up and how to mend it; exit code 1 where something is. Changes nothing',
    )
    .option('--json', 'print one JSON object')
    .option('--deep', 'compare the hash of every file in backups, too')
    .option('--offline', 'ask nobody outside this machine: no source of releases, no chat platform')
    .action(async (options: { json?: boolean; deep?: boolean; offline?: boolean }) => {
      const { runDoctor } = await import('./doctor/index.ts');
      process.exitCode = await runDoctor({
        layout: layout(),
        environment,
        config: config(),
        json: options.json === true,
        deep: options.deep === true,
        offline: options.offline === true,
        say: (line) => console.log(line),
      });
    });
  program
    .command('version')
    .description('print the versions of Fettle and Node')
    .action(() =>
      console.log(`fettle ${VERSION} (node ${process.versions.node}, ${process.platform}-${process.arch})`),
    );
  addRoleCommands(program, layout, config);

  const unknown = unknownCommand(
    argv.slice(2),
    program.commands.map((command) => command.name()),
  );
  if (unknown) {
    console.error(unknown);
    process.exitCode = 2;
    return;
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

/** The first word is a command. `up` is the default, and would say that it takes no arguments. */
function unknownCommand(args: readonly string[], known: readonly string[]): string | undefined {
  let word: string | undefined;
  for (let i = 0; i < args.length && word === undefined; i += 1) {
    const arg = args[i] as string;
    if (arg === '--home' || arg === '--config') i += 1;
    else if (!arg.startsWith('-')) word = arg;
  }
  if (word === undefined || word === 'help' || known.includes(word)) return undefined;
  const nearest = closest(word, known);
  const hint = distance(word, nearest) <= 3 ? ` Did you mean \`fettle ${nearest}\`?` : '';
  return `There is no command \`${word}\`.${hint} \`fettle --help\` shows all.`;
}

function several(text: string, before: readonly string[]): string[] {
  return [...before, text];
}

function seconds(text: string): number {
  return positive(text, 'a number of seconds');
}

function positive(text: string, what: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError(`Expected ${what}.`);
  return value;
}
