import { CHAT_PLATFORMS } from '../../../config/chat-secrets.ts';
import { FettleError } from '../../domain/errors.ts';
import { table } from '../backup/list.ts';
import { chatPlatforms } from '../chat-platforms.ts';
import { machineClock } from '../npm-tools.ts';
import { type ChatCommand, type ChatPlatform, configFileOf, problemLines } from './contract.ts';
import { presentOf } from './plan.ts';
import { PLATFORM_WORDS } from './platforms.ts';
import { runningHub } from './running-hub.ts';
import { sinceText } from './since.ts';
import { waitForMessage } from './test-message.ts';

/** `fettle chats`: which there are, where each secret is, and how the running hub's connections are. Asks no platform. */
export async function listChats(command: ChatCommand): Promise<0> {
  const { layout, environment, json, print } = command;
  const file = configFileOf(command);
  const hub = await runningHub(layout);
  const chats = CHAT_PLATFORMS.map((platform) => {
    const { configured, place, stored } = presentOf(platform, file, undefined);
    const variable = Boolean(environment.all[place.variable]?.trim());
    const connection = hub?.chats?.find((chat) => chat.platform === platform);
    const secret = variable ? place.variable : stored === undefined ? undefined : place.file;
    return { platform, configured, secret, connection };
  });
  if (json) {
    print(JSON.stringify({ file, hub: hub !== undefined, chats }));
    return 0;
  }
  const rows = chats.map(({ platform, configured, secret, connection }) => [
    platform,
    configured ? 'set up' : 'not set up',
    !configured ? '' : (secret ?? 'NO SECRET'),
    !configured ? `fettle chats add ${platform}` : connectionOf(connection, hub !== undefined),
  ]);
  for (const line of table([['chat', 'in the file', 'secret', 'connection'], ...rows])) print(line);
  for (const { connection } of chats)
    if (connection?.problem && connection.state !== 'connected')
      for (const line of problemLines(connection.problem, environment)) print(`! ${line}`);
  return 0;
}

function connectionOf(connection: { state: string; since: number } | undefined, hub: boolean): string {
  if (connection) return `${connection.state} since ${sinceText(connection.since)}`;
  return hub ? "not read yet: fettle say '/update restart hub'" : 'the hub does not run';
}

/** `fettle chats test PLATFORM`: waits for a message. 0: one came, or it was skipped; 1: none. @throws {FettleError} where the chat is not set up */
export async function testChat(platform: ChatPlatform, wait: number | undefined, command: ChatCommand): Promise<0 | 1> {
  const { environment, json, print } = command;
  const file = configFileOf(command);
  const { chats } = presentOf(platform, file, undefined);
  const settings = chatPlatforms(chats, file, environment.all)[platform];
  if (!settings)
    throw new FettleError('bad_arguments', {
      data: { reason: `${PLATFORM_WORDS[platform].name} is not set up in ${file}: fettle chats add ${platform}` },
    });
  const say = (line: string) => {
    if (!json) print(line);
  };
  const hub = await runningHub(command.layout);
  if (hub && !hub.chats?.some((chat) => chat.platform === platform))
    throw new FettleError('bad_arguments', {
      data: { reason: "the hub that runs has not read this chat yet: fettle say '/update restart hub'" },
    });
  const heard = await waitForMessage(platform, settings, wait ?? WAIT_S, { ...command, say }, machineClock.now());
  if (json) print(JSON.stringify({ platform, heard: typeof heard === 'string' ? null : heard }));
  return heard === 'nobody' ? 1 : 0;
}

const WAIT_S = 180;
