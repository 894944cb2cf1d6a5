import type { CredentialCheck } from '../../chat/contract.ts';
import { FettleError } from '../../domain/errors.ts';
import { askPlatform } from '../discreet.ts';
import { machineClock } from '../npm-tools.ts';
import {
  type ChatCommand,
  type ChatFlags,
  type ChatPlatform,
  configFileOf,
  platformDeps,
  problemLines,
  problemText,
} from './contract.ts';
import { type Credential, findAppId, findSecret } from './credential.ts';
import { writeConfig, writeSecret } from './files.ts';
import type { Heard } from './hear.ts';
import { keysOf, type Planned, type Present, placeSaid, planned, presentOf, refuseForeignFlags } from './plan.ts';
import { PLATFORM_WORDS } from './platforms.ts';
import { agrees } from './prompts.ts';
import { offerRegistration } from './registration.ts';
import { restartHub, waitForMessage } from './test-message.ts';

/** `fettle chats add PLATFORM`: credentials → asked of the platform → written → heard. Before it is written, nothing is changed. */

const CHECK_MS = 30_000;
/** A person who mistypes is asked again, and not for ever. */
const TRIES = 5;

/** What came of it. */
export interface Added {
  readonly platform: ChatPlatform;
  readonly file: string;
  readonly secret: { readonly file: string; readonly from: Credential['from']; readonly written: boolean };
  readonly bot: string | undefined;
  readonly problems: CredentialCheck['problems'];
  readonly done: boolean;
  readonly restarted: boolean;
  readonly heard: Heard | undefined;
}

/** 0: written, or said what would be; 1: written, and the test message did not come. @throws {FettleError | ConfigError} with nothing changed */
export async function addChat(platform: ChatPlatform, flags: ChatFlags, command: ChatCommand): Promise<0 | 1> {
  const { environment, layout, json, print } = command;
  const say = (line: string) => {
    if (!json) print(line);
  };
  refuseForeignFlags(platform, flags);
  const present = presentOf(platform, configFileOf(command), placeSaid(flags));
  const { credential, plan, check } = await checked(platform, flags, command, present, say);
  const writes = (!flags.inPlace || credential.from === 'registration') && credential.value !== present.stored;
  const report = (more: Partial<Added>) => {
    const added: Added = {
      platform,
      file: present.file,
      secret: { file: present.place.file, from: credential.from, written: writes && more.done === true },
      bot: check.bot,
      problems: check.problems,
      done: false,
      restarted: false,
      heard: undefined,
      ...more,
    };
    const problems = check.problems.map((problem) => ({ code: problem.code, ...problemText(problem, environment) }));
    if (json) print(JSON.stringify({ ...added, problems }));
  };
  if (flags.dryRun) {
    say('fettle chats add would, and nothing else:');
    if (writes) say(`  write the ${present.place.what} to ${present.place.file}, readable by its owner alone`);
    say(
      plan.text === present.text ? `  leave ${present.file} as it is` : `  put chats.${platform} into ${present.file}`,
    );
    report({});
    return 0;
  }
  const made = credential.from === 'registration';
  if (!made && !(await mayReplace(platform, flags, command, present, plan, writes))) {
    say('Nothing was changed.');
    report({});
    return 0;
  }
  command.signal.throwIfAborted();
  if (writes) writeSecret(layout, present.place.file, credential.value);
  if (plan.text !== present.text) writeConfig(layout, present.file, plan.text);
  for (const line of doneLines(platform, flags, present, plan, writes)) say(line);
  warnOfVariable(present, credential, environment.all, say);
  const at = { ...command, say, made };
  const since = machineClock.now();
  const restarted = await restartHub(flags.restart, at);
  const waited = await waitForMessage(platform, plan.settings, flags.wait, at, since);
  report({ done: true, restarted, heard: waited === 'nobody' || waited === 'skipped' ? undefined : waited });
  return waited === 'nobody' ? 1 : 0;
}

/** Credentials that the platform takes; a person may try again. */
async function checked(
  platform: ChatPlatform,
  flags: ChatFlags,
  command: ChatCommand,
  present: Present,
  say: (line: string) => void,
): Promise<{ credential: Credential; plan: Planned; check: CredentialCheck }> {
  const { environment, prompts, stdin, signal } = command;
  const words = PLATFORM_WORDS[platform];
  const given = flags.secretFile !== undefined || Boolean(environment.all[present.place.variable]?.trim());
  const registered =
    platform === 'feishu' && !given ? await offerRegistration(flags, present, command, say) : undefined;
  if (prompts && !given && !registered) for (const [index, step] of words.steps.entries()) say(`${index + 1}. ${step}`);
  const known = flags.appId === undefined ? present.chats.feishu?.appId : undefined;
  const appId =
    platform === 'feishu' ? (registered?.appId ?? known ?? (await findAppId(flags.appId, prompts, say))) : undefined;
  const keys = keysOf(platform, flags, { appId, domain: flags.domain ?? registered?.domain });
  for (let attempt = 1; ; attempt += 1) {
    const credential: Credential = registered
      ? { value: registered.secret, from: 'registration' }
      : await findSecret(platform, {
          file: flags.secretFile,
          place: present.place,
          stored: present.stored,
          environment: environment.all,
          stdin,
          prompts,
          say,
        });
    if (credential.from === 'variable') say(`Taking the ${words.secret.what} of ${present.place.variable}.`);
    const plan = planned(platform, present, keys, credential.value);
    if (flags.check === false) return { credential, plan, check: { problems: [] } };
    say(`Asking ${words.name} …`);
    const asking = { signal, limitMs: CHECK_MS };
    const check = await askPlatform(platform, plan.settings, platformDeps(environment), asking);
    signal.throwIfAborted();
    if (check.bot !== undefined) {
      say(`Connected as ${check.bot}.`);
      for (const problem of check.problems) for (const line of problemLines(problem, environment)) say(`! ${line}`);
      return { credential, plan, check };
    }
    if (registered) {
      // It is there from now on, and nobody is shown its secret again: what is wrong with it can be mended.
      for (const problem of check.problems) for (const line of problemLines(problem, environment)) say(`! ${line}`);
      return { credential, plan, check };
    }
    const problems = check.problems.map(inSetup);
    const [worst] = problems;
    const error = new FettleError(worst?.code ?? 'chat_refused', { data: worst?.data ?? { platform } });
    const again = prompts && credential.from === 'prompt' && attempt < TRIES;
    if (!prompts || (!again && worst?.code !== 'chat_unreachable')) throw error;
    for (const problem of problems) for (const line of problemLines(problem, environment)) say(line);
    if (worst?.code === 'chat_unreachable') {
      if (!(await agrees(prompts, 'It could not be tried. Write it all the same?', false))) throw error;
      return { credential, plan, check };
    }
  }
}

/** No hub tries it again, and the person is at hand: what to do next is another thing. */
function inSetup({ code, data }: CredentialCheck['problems'][number]): CredentialCheck['problems'][number] {
  return { code, data: { ...data, setup: true } };
}

/** What is there is replaced only by who says so. @throws {FettleError} `init_refused` in a pipe */
async function mayReplace(
  platform: ChatPlatform,
  flags: ChatFlags,
  { prompts }: ChatCommand,
  present: Present,
  plan: Planned,
  writes: boolean,
): Promise<boolean> {
  const { place, file, stored } = present;
  const replaced = [
    ...(writes && stored !== undefined ? [`the ${place.what} in ${place.file}`] : []),
    ...(plan.changes ? [`chats.${platform} in ${file}`] : []),
  ];
  if (replaced.length === 0 || flags.replace) return true;
  if (!prompts)
    throw new FettleError('bad_arguments', {
      data: { reason: `${replaced.join(' and ')} would be replaced: --replace does that` },
    });
  return agrees(prompts, `Replace ${replaced.join(' and ')}?`, false);
}

function doneLines(
  platform: ChatPlatform,
  flags: ChatFlags,
  { place, file, text, configured }: Present,
  plan: Planned,
  writes: boolean,
): string[] {
  const { name } = PLATFORM_WORDS[platform];
  return [
    ...(writes ? [`The ${place.what} is in ${place.file}, readable by its owner alone.`] : []),
    ...(flags.inPlace
      ? [`The ${place.what} stays in ${flags.secretFile ?? place.variable}: it must be there whenever the hub starts.`]
      : []),
    plan.text === text
      ? `${name} is set up in ${file} already.`
      : `${name} is ${configured ? 'changed' : 'set up'}: chats.${platform} in ${file}.${configured ? '' : ` Undo: fettle chats remove ${platform}`}`,
  ];
}

/** The hub would take the other one. */
function warnOfVariable(
  { place }: Present,
  credential: Credential,
  environment: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): void {
  const variable = environment[place.variable]?.trim();
  if (variable && variable !== credential.value)
    say(`! ${place.variable} is set here to another ${place.what}, and wins over the file where the hub has it too.`);
}
