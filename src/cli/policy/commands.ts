import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { NAME_PATTERN } from '../../domain/app.ts';
import { PASSWORD_OPTION, withKeys } from '../signing/with-keys.ts';

/** A name of a device: none of them is longer. */
const names = (text: string, before: readonly string[] = []) => {
  if (text.trim() === '' || text.length > 80) throw new InvalidArgumentError("Expected a device's name or id, or all.");
  return [...before, text.trim()];
};
const apps = (text: string, before: readonly string[]) => {
  if (!NAME_PATTERN.test(text)) throw new InvalidArgumentError('Expected the name of an app.');
  return [...before, text];
};

interface Context {
  readonly layout: () => HomeLayout;
  readonly environment: Environment;
}

/** `fettle policy …`: the file of devices, from afar, where they pinned a key for it. */
export function addPolicyCommands(program: Command, { layout, environment }: Context): void {
  const policy = program
    .command('policy')
    .description("sign an agent.yaml, and have a hub carry it to devices whose file names the signer's policyKey");
  policy
    .command('sign')
    .description('make a signed policy of an agent.yaml')
    .argument('<file>', 'the agent.yaml, whole')
    .requiredOption('--key <file>', 'the secret key (`fettle keygen`, or of minisign)')
    .requiredOption('--for <name>', 'name or id of a device, or all; may be given again', names)
    .requiredOption('--number <number>', 'higher than that of each policy before', number)
    .option('--expires <days>', 'days until devices do not take it any more', days, 30)
    .option('--let-go <app>', 'an installed app that the file does not name any more; may be given again', apps, [])
    .option('--new-key', "the file's policyKey is another than this key, or there is none, and that is meant")
    .option(...PASSWORD_OPTION)
    .option('--out <file>', 'FILE.NUMBER.policy.json unless given')
    .action(async (file: string, options: SignFlags) => {
      const { signPolicy } = await import('./sign.ts');
      const { out, document } = await withKeys(options.passwordFile, environment, (deps) =>
        signPolicy({
          ...{ ...deps, file, key: options.key, for: options.for, number: options.number, days: options.expires },
          ...{ letGo: options.letGo, newKey: options.newKey === true, out: options.out, now: Date.now() },
        }),
      );
      const whom = document.for === 'all' ? 'all devices that trust its key' : document.for.join(', ');
      console.log(`${out}: policy ${document.number} for ${whom}, good until ${document.expires}.`);
      console.log(`On the hub's machine: fettle policy push ${out}`);
    });
  policy
    .command('push')
    .description("hand a signed policy to this machine's hub, which carries it to the devices")
    .argument('<file>', 'what `fettle policy sign` made')
    .action(async (file: string) => {
      const { pushPolicy } = await import('./push.ts');
      const { about, to } = pushPolicy(layout(), file);
      const whom = about.for === 'all' ? 'all devices' : about.for.join(', ');
      console.log(
        `Policy ${about.number} for ${whom} is at the hub (${to}): offered to each device that is connected, and at each connect.`,
      );
      console.log("What each device answers is in the hub's log. `rm` that file, and it is offered no more.");
    });
}

interface SignFlags {
  readonly key: string;
  readonly for: string[];
  readonly number: number;
  readonly expires: number;
  readonly letGo: string[];
  readonly newKey?: boolean;
  readonly passwordFile?: string;
  readonly out?: string;
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return value;
}

function days(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 3_650)
    throw new InvalidArgumentError('Expected a number of days from 1 to 3650.');
  return value;
}
