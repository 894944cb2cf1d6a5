import type { PlatformSettings } from '../../../adapters/index.ts';
import { type ChatPlatform, type Problem, platformDeps, problemText, type Saying } from './contract.ts';
import { offerAdmin } from './first-admin.ts';
import { type Heard, hearAlone, hearThroughHub } from './hear.ts';
import { PLATFORM_WORDS } from './platforms.ts';
import { agrees } from './prompts.ts';
import { command, runningHub } from './running-hub.ts';

/** After a chat was written: the hub that runs reads it, and somebody writes to the bot. */

const RESTART = '/update restart hub';
/** At a terminal, unless it was said. Seconds. */
const WAIT_S = 180;

/**
 * A hub reads its chats when it starts.
 * @param wanted `--restart`; a person at a terminal is asked
 * @returns whether it was restarted
 */
export async function restartHub(wanted: boolean | undefined, at: Saying): Promise<boolean> {
  const { layout, prompts, say, signal } = at;
  if (!(await runningHub(layout))) return false;
  const does =
    wanted ?? (prompts ? await agrees(prompts, 'The hub reads this when it starts. Restart it now?', true) : false);
  if (!does) {
    say(`The hub that runs learns of it at its next start: fettle say '${RESTART}'`);
    return false;
  }
  say('Restarting the hub …');
  const answer = await command(layout, RESTART, signal);
  signal.throwIfAborted();
  if (!answer)
    say('! The hub did not answer in time. `fettle doctor` says what is wrong; the files are as said above.');
  else if (answer.failed) for (const line of answer.lines) say(`! ${line}`);
  return answer?.failed === false;
}

/**
 * @param seconds as long as this; at a terminal three minutes unless said; false, or unless said in a pipe: not at all
 * @param since milliseconds since 1970; what a running hub heard before does not count
 */
export async function waitForMessage(
  platform: ChatPlatform,
  settings: PlatformSettings,
  seconds: number | false | undefined,
  at: Saying,
  since: number,
): Promise<Heard | 'skipped' | 'nobody'> {
  const { prompts, say, signal, layout, environment } = at;
  const most = seconds ?? (prompts ? WAIT_S : false);
  const words = PLATFORM_WORDS[platform];
  const hub = await runningHub(layout);
  const toStart = () => {
    if (!hub) say('`fettle up` starts the hub, which is in that chat from then on.');
  };
  if (most === false || most === 0) {
    toStart();
    return skipped(platform, say);
  }
  if (hub && !hub.chats?.some((chat) => chat.platform === platform)) return skipped(platform, say);
  const skip = new AbortController();
  const late = AbortSignal.timeout(most * 1_000);
  const over = new AbortController();
  void prompts?.enter(over.signal).then(() => skip.abort());
  // Where it never was connected, what was said of that is why no message came.
  let deaf = false;
  const hearing = {
    platform,
    layout,
    signal: AbortSignal.any([signal, late, skip.signal]),
    onConnected: () => {
      deaf = false;
      say(
        `${(at.made && words.sayMade) || words.say} (Waiting for up to ${duration(most)}${prompts ? '; Enter skips' : ''}.)`,
      );
    },
    onProblem: ({ text, next }: { text: string; next?: string | undefined }) => {
      deaf = true;
      say(`! ${text}`);
      if (next !== undefined) say(`  → ${next}`);
    },
  };
  let heard: Heard | undefined;
  try {
    say(hub ? 'The hub listens …' : 'Connecting for a test message …');
    const textOf = (problem: Problem) => problemText(problem, environment);
    heard = hub
      ? await hearThroughHub(hearing, since, textOf)
      : await hearAlone(hearing, settings, platformDeps(environment), textOf);
  } finally {
    over.abort();
  }
  signal.throwIfAborted();
  if (!heard && skip.signal.aborted && !late.aborted) return skipped(platform, say);
  if (!heard && deaf) {
    say(`No message came. When that is mended: fettle chats test ${platform}`);
    return 'nobody';
  }
  if (!heard) {
    say('No message came. What it may be, likeliest first:');
    for (const [index, cause] of words.causes.entries()) say(`  ${index + 1}. ${cause}`);
    say(`Try again: fettle chats test ${platform}`);
    return 'nobody';
  }
  const name = heard.name === undefined || heard.name === heard.person ? '' : `${heard.name}, `;
  const place =
    heard.direct === undefined ? `the chat ${heard.chat}` : heard.direct ? 'a direct chat' : `the group ${heard.chat}`;
  say(`Heard ${name}${platform}:${heard.person}, in ${place}.`);
  if (heard.unanswered !== undefined) say(`! It could not answer: ${heard.unanswered}`);
  await offerAdmin(platform, heard, at);
  toStart();
  return heard;
}

function skipped(platform: ChatPlatform, say: (line: string) => void): 'skipped' {
  say(`A test message can be sent later: fettle chats test ${platform}`);
  return 'skipped';
}

function duration(seconds: number): string {
  return seconds >= 120 && seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} s`;
}
