import { existsSync } from 'node:fs';
import { parseConfig } from '../../../config/load.ts';
import { type ChatCommand, type ChatPlatform, configFileOf } from './contract.ts';
import { removeFile, writeConfig } from './files.ts';
import { presentOf } from './plan.ts';
import { agrees } from './prompts.ts';
import { restartHub } from './test-message.ts';
import { removeChat } from './yaml.ts';

/** `fettle chats remove PLATFORM`: its lines go, and the secret that was put beside the file. */

export interface RemoveFlags {
  readonly keepSecret?: boolean | undefined;
  readonly restart?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** 0: removed, or was not there. @throws {FettleError | ConfigError} with nothing half done that the same command would not finish */
export async function removeChatHere(platform: ChatPlatform, flags: RemoveFlags, command: ChatCommand): Promise<0> {
  const { layout, json, print, prompts, signal } = command;
  const say = (line: string) => {
    if (!json) print(line);
  };
  const present = presentOf(platform, configFileOf(command), undefined);
  const { file, place, configured } = present;
  const chat = present.chats[platform];
  // A file that somebody named is theirs.
  const ours = !(chat && ('secretFile' in chat || 'tokenFile' in chat)) && existsSync(place.file);
  const report = (done: boolean, secret: boolean, restarted = false) => {
    if (json) print(JSON.stringify({ platform, file, done, secretRemoved: secret, restarted }));
  };
  if (!configured && !ours) {
    say(`${platform} is not set up in ${file}.`);
    report(false, false);
    return 0;
  }
  const text = configured ? removeChat(present.text, platform) : present.text;
  if (text !== null && text !== '') parseConfig(text, file);
  const secret = ours && !flags.keepSecret;
  const what = [
    ...(configured ? [`chats.${platform} of ${file}`] : []),
    ...(secret ? [`${place.file} with the ${place.what}`] : []),
  ].join(' and ');
  if (flags.dryRun || what === '') {
    say(what === '' ? 'There is nothing to remove.' : `Would remove ${what}. Nothing was changed.`);
    report(false, false);
    return 0;
  }
  if (prompts && !(await agrees(prompts, `Remove ${what}?`, true))) {
    say('Nothing was changed.');
    report(false, false);
    return 0;
  }
  signal.throwIfAborted();
  // The file first: one that names a secret that is gone would be an error.
  if (text === null) removeFile(file);
  else if (text !== present.text) writeConfig(layout, file, text);
  if (secret) removeFile(place.file);
  say(`Removed ${what}. The bot is still there on its platform; revoke it there if nobody needs it.`);
  const restarted = await restartHub(flags.restart, { ...command, say });
  report(true, secret, restarted);
  return 0;
}
