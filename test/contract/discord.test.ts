import { createAdapter } from '../../adapters/discord/index.ts';
import { COMMANDS } from '../../src/commands/index.ts';
import { startDiscord } from '../support/discord/index.ts';
import { adapterContract, type Stage } from './adapter.ts';

async function makeStage(): Promise<Stage> {
  const discord = await startDiscord();
  return {
    saysWhen: true,
    makeAdapter: () =>
      createAdapter(
        { token: discord.token, api: discord.api },
        {
          commands: COMMANDS,
          clock: { now: () => Date.now(), monotonic: () => performance.now() },
          random: () => 0.5,
          log: () => undefined,
          environment: {},
        },
      ),
    type: (text) => discord.type(text),
    repeat: (eventId) => discord.repeat(eventId),
    seen: () => discord.messages().map(({ title }) => title),
    attendance: { not: 'on Discord somebody reads always' },
    close: () => discord.close(),
  };
}

adapterContract('discord', makeStage);
