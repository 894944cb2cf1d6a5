import type { Command } from 'commander';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { unitName } from './unit-name.ts';

interface Context {
  readonly layout: () => HomeLayout;
  readonly environment: Environment;
  readonly config: () => string | undefined;
}

interface EnrollGiven {
  readonly hub: string;
  readonly pin?: string;
  readonly tokenFile: string;
  readonly newKey?: boolean;
  readonly name: string;
  readonly start: boolean;
}

const print = (line: string) => console.log(line);

const EXITS = `
It is done by the agent where one lives, else by this command, and told to the hub's admins when a hub is there again.
Ctrl-C leaves it going on. Exit code 0: done; 1: it failed or was undone; 2: not begun; 130: Ctrl-C.`;

/** Commands for the device alone: no hub is needed. */
export function addDeviceCommands(program: Command, { layout, environment, config }: Context): void {
  const common = () => ({ layout: layout(), environment, config: config(), print });

  program
    .command('status')
    .description('tell how this device is, whatever is dead: versions, health, updates, backups. Changes nothing')
    .argument('[app]', 'one app; `hub` and `agent` are apps, too')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExit code 0: every app is well; 1: one is not, or something is wrong.')
    .action(async (app: string | undefined, options: { json?: boolean }) => {
      const { runStatus } = await import('./status.ts');
      process.exitCode = await runStatus({ ...common(), app, json: options.json === true });
    });
  program
    .command('rollback')
    .description('go back to the last good version of an app, on this device alone')
    .argument('<app>')
    .option('--with-data', 'put back the data from before the update, too')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', EXITS)
    .action(async (app: string, options: { withData?: boolean; json?: boolean }) => {
      await order(app, { kind: 'rollback', withData: options.withData === true }, options.json === true);
    });
  program
    .command('restart')
    .description('restart an app and see that it is well, on this device alone')
    .argument('<app>')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', EXITS)
    .action(async (app: string, options: { json?: boolean }) => {
      await order(app, { kind: 'restart' }, options.json === true);
    });

  program
    .command('enroll')
    .alias('enrol')
    .description('make this machine a device of a hub elsewhere; the line of /device enroll does it all')
    .requiredOption('--hub <address>', 'where the hub is, such as https://hub.example:7412')
    .option('--pin <sha256>', 'of a hub with a certificate of its own: sha256//… as the line has it')
    .option('--token-file <file>', 'the one-time token; - reads it from standard input', '-')
    .option('--new-key', 'make a new key first: the way out where one key was seen on two machines, or was revoked')
    .option('--name <name>', 'what its service is called, where another Fettle has this one', unitName, 'fettle')
    .option('--no-start', 'join and start nothing; `fettle up --detach` does')
    .addHelpText(
      'after',
      `
The device makes its own key, which never leaves it, and keeps the hub's: HOME/agent/hub.json. What Fettle may do here is
in HOME/agent.yaml, which no hub can change. Cut off anywhere, the same command goes on: the token is spent when the hub
has the key, and the same key gets the same answer.

Exit code 0: it is a device of that hub; 2: it is not, and why.`,
    )
    .action(async (given: EnrollGiven) => {
      const { runEnroll } = await import('./enroll/run-enroll.ts');
      const told = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => told.abort());
      process.exitCode = await runEnroll({
        ...{ layout: layout(), environment, say: print, signal: told.signal },
        ...{ hub: given.hub, pin: given.pin, tokenFile: given.tokenFile },
        ...{ newKey: given.newKey === true, start: given.start, service: given.name },
      });
    });

  const backup = program.command('backup').description("list, make, put back, check and export backups of apps' data");
  backup
    .command('list', { isDefault: true })
    .description('list backups, newest first; exit code 1 where one is damaged')
    .argument('[app]')
    .option('--json', 'print one JSON object')
    .action(async (app: string | undefined, options: { json?: boolean }) => {
      const { runBackupList } = await import('./backup/list.ts');
      process.exitCode = await runBackupList({ ...common(), app, json: options.json === true });
    });
  backup
    .command('create')
    .description('make a backup of an app that runs on; says which files kept changing')
    .argument('<app>')
    .option('--stop', 'stop the app for a moment, so that everything is copied as of one instant')
    .option('--json', 'print one JSON object at the end')
    .action(async (app: string, options: { stop?: boolean; json?: boolean }) => {
      const json = options.json === true;
      if (options.stop) return order(app, { kind: 'restart', backup: true }, json);
      const { runBackupCreate } = await import('./backup/create.ts');
      await orInterrupted((signal) => runBackupCreate({ ...common(), app, json, signal }));
    });
  backup
    .command('restore')
    .description("put a backup's data in place of today's, which is kept; goes back by itself if the app is ill on it")
    .argument('<backup>', '`web/3`, or the app')
    .argument('[seq]', 'the number of the backup')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', EXITS)
    .action(async (name: string, seq: string | undefined, options: { json?: boolean }) => {
      const { oneBackup } = await import('./backup/device.ts');
      const { app, manifest } = oneBackup(layout(), name, seq);
      await order(app, { kind: 'restore', backupSeq: manifest.seq }, options.json === true);
    });
  backup
    .command('verify')
    .description('compare every file of backups with its hash; exit code 1 where one is damaged')
    .argument('[backup]', '`web/3`, or an app; all unless given')
    .argument('[seq]', 'the number of the backup')
    .option('--json', 'print one JSON object')
    .action(async (app: string | undefined, seq: string | undefined, options: { json?: boolean }) => {
      const { runBackupVerify } = await import('./backup/list.ts');
      const json = options.json === true;
      await orInterrupted((signal) => runBackupVerify({ ...common(), app, seq, json, signal }));
    });
  backup
    .command('export')
    .description('write a backup into an archive, checking its hashes on the way')
    .argument('<backup>', '`web/3`')
    .argument('<file>', 'such as web-3.tar.zst; - for standard output')
    .option('--json', 'print one JSON object')
    .action(async (name: string, file: string, options: { json?: boolean }) => {
      const { runBackupExport } = await import('./backup/export.ts');
      const more = { backup: name, seq: undefined, file, output: process.stdout, json: options.json === true };
      await orInterrupted((signal) => runBackupExport({ ...common(), ...more, signal }));
    });

  /** Ctrl-C leaves nothing behind. */
  async function orInterrupted(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
    const { onCtrlC, INTERRUPTED } = await import('./device-options.ts');
    const signal = onCtrlC();
    process.exitCode = await work(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      console.error('Interrupted. Nothing was left behind.');
      return INTERRUPTED;
    });
  }

  async function order(
    app: string,
    what: { kind: 'rollback' | 'restart' | 'restore'; withData?: boolean; backupSeq?: number; backup?: true },
    json: boolean,
  ): Promise<void> {
    const { runOnDevice } = await import('./on-device.ts');
    process.exitCode = await runOnDevice({ ...common(), app, what, json });
    // An app that was started here is still a child of this process, which would wait for it.
    process.exit();
  }
}
