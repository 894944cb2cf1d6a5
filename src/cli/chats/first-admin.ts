import type { ChatPlatform, Saying } from './contract.ts';
import type { Heard } from './hear.ts';

/** Who wrote the test message may become the hub's first admin. Anybody may write to a bot, so a person says so. */
export async function offerAdmin(_platform: ChatPlatform, heard: Heard, { say }: Saying): Promise<void> {
  say(
    heard.direct === false
      ? 'To give commands there, become an admin: run `fettle claim`, and write what it prints to the bot, in a direct chat.'
      : 'To give commands there, become an admin: run `fettle claim`, and write what it prints to the bot.',
  );
}
