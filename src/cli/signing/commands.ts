import { type Command, InvalidArgumentError } from 'commander';
import type { Environment } from '../../../config/environment.ts';
import { PASSWORD_OPTION, withKeys } from './with-keys.ts';

interface Context {
  readonly environment: Environment;
}

interface PublishFlags {
  readonly app: string;
  readonly to: string;
  readonly channel?: string;
  readonly notes?: string;
  readonly expires: number;
  readonly key?: string;
  readonly passwordFile?: string;
}

const print = (line: string) => console.log(line);
const warn = (line: string) => console.error(line);

/** `fettle publish`, `keygen`, `sign`, `verify`, `rotate`: releases are made and signed, anywhere but on devices. */
export function addSigningCommands(program: Command, { environment }: Context): void {
  program
    .command('publish')
    .description(
      'put a release into a feed: a folder that the sources `folder` and `feed` read, and any web server can serve',
    )
    .argument('<version>', 'a semantic version, such as 1.4.0')
    .argument(
      '<file...>',
      'archives (.tar.gz, .tar.zst, .zip) or raw executables, each as PLATFORM=FILE or FILE for every platform',
    )
    .requiredOption('--app <name>', 'the app')
    .requiredOption('--to <folder>', 'the feed')
    .option('--channel <name>', 'stable unless the version is a prerelease')
    .option('--notes <text>', 'what is new')
    .option('--expires <days>', 'days until the index has to be published anew', days, 90)
    .option('--key <file>', 'sign the release and the index with this key (`fettle keygen`, or of minisign)')
    .option(...PASSWORD_OPTION)
    .action(async (version: string, files: string[], flags: PublishFlags) => {
      const { describePublished, publish } = await import('../publish.ts');
      const { machineClock } = await import('../npm-tools.ts');
      const published = await publish({
        folder: flags.to,
        app: flags.app,
        version,
        files: files.map((file) => {
          const [, platform = 'any', path = file] = /^([a-z0-9]+-[a-z0-9_]+|any)=(.+)$/.exec(file) ?? [];
          return { platform, path };
        }),
        channel: flags.channel,
        notes: flags.notes,
        expiresDays: flags.expires,
        key: await publishingKey(flags, environment),
        clock: machineClock,
      });
      for (const line of describePublished(published)) print(line);
    });

  program
    .command('keygen')
    .description('make a key that signs releases: FILE, which only you may read, and FILE.pub for everybody')
    .requiredOption('--out <file>', 'where the secret key goes; never over another')
    .option(...PASSWORD_OPTION)
    .option('--no-password', 'leave the key unprotected: for a machine that publishes by itself')
    .action(async (flags: { out: string; passwordFile?: string; password: boolean }) => {
      const { keygen } = await import('./keygen.ts');
      await withKeys(flags.passwordFile, environment, (deps) =>
        keygen({ ...deps, out: flags.out, noPassword: !flags.password, print }),
      );
    });

  program
    .command('sign')
    .description('sign files: FILE.minisig beside each, as `minisign -S` does')
    .argument('<file...>')
    .requiredOption('--key <file>', 'the secret key')
    .option(
      '--comment <text>',
      'trusted comment; of an artifact for devices: "app=NAME version=1.4.0 platform=linux-x64"',
    )
    .option(...PASSWORD_OPTION)
    .action(async (files: string[], flags: { key: string; comment?: string; passwordFile?: string }) => {
      const { signFiles } = await import('./file-signatures.ts');
      const { key, comment } = flags;
      await withKeys(flags.passwordFile, environment, (deps) =>
        signFiles({ ...deps, key, files, comment, now: Date.now(), print }),
      );
    });

  program
    .command('verify')
    .description('check FILE.minisig of each file, as `minisign -V` does')
    .argument('<file...>')
    .requiredOption('--key <key>', 'a public key: its file, or RWQ… itself; may be given again', several)
    .addHelpText('after', '\nA line each. Exit code 0: all are good; 1: one is not; 2: the key can not be read.')
    .action(async (files: string[], flags: { key: readonly string[] }) => {
      const { verifyFiles } = await import('./file-signatures.ts');
      process.exitCode = (await verifyFiles({ keys: flags.key, files, print })) ? 0 : 1;
    });

  program
    .command('rotate')
    .description('hand a feed over to a new key: devices that trust the old one take the new one from it')
    .argument('<folder>', 'the feed')
    .requiredOption('--key <file>', 'the old secret key')
    .requiredOption('--new <file>', 'the new key: the secret one signs all anew; its .pub is only announced')
    .option('--revoke', 'the old key counts for nothing from then on, on devices that have read this')
    .option(...PASSWORD_OPTION)
    .action(async (folder: string, flags: { key: string; new: string; revoke?: boolean; passwordFile?: string }) => {
      const { describeRotated, rotate } = await import('./rotate.ts');
      const { machineClock } = await import('../npm-tools.ts');
      const { openPublicKey, openSecretKey } = await import('./key-files.ts');
      await withKeys(flags.passwordFile, environment, async (deps) => {
        const from = await openSecretKey(flags.key, deps);
        const to = flags.new.endsWith('.pub') ? openPublicKey(flags.new) : await openSecretKey(flags.new, deps);
        const done = await rotate({ folder, from, to, revoke: flags.revoke === true, clock: machineClock });
        for (const line of describeRotated(done)) print(line);
      });
    });
}

/** That of `--key`; of Fettle itself, built in a checkout, the checkout's own. */
async function publishingKey(flags: PublishFlags, environment: Environment) {
  const { openSecretKey } = await import('./key-files.ts');
  if (flags.key !== undefined) {
    const file = flags.key;
    return withKeys(flags.passwordFile, environment, (deps) => openSecretKey(file, deps));
  }
  if (flags.app !== 'fettle') return undefined;
  const { checkoutOfFettle, developmentKey } = await import('./development-key.ts');
  const checkout = checkoutOfFettle();
  if (checkout === undefined) return undefined;
  const { file } = await developmentKey(checkout);
  const key = await openSecretKey(file, { password: {}, warn });
  print(`Key: this checkout's development key, ${file}`);
  print(`Devices that are to take it: fettle: {keys: [${key.publicKey.text}]}`);
  return key;
}

function several(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function days(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('Expected a number of days.');
  return value;
}
