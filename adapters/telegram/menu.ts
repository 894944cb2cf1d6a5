import type { PlatformDeps, Sink } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import type { TelegramClient } from './client.ts';
import { MENU_LANGUAGES, menuDigest, menuOf, SCOPES } from './commands.ts';
import { failureOf, reasonOf } from './failure.ts';
import type { Timings } from './polling.ts';

const TRIES = 6;

export interface MenuDeps {
  readonly client: TelegramClient;
  readonly memory: Sink['memory'];
  readonly bot: number;
  readonly deps: Pick<PlatformDeps, 'commands' | 'log'>;
  readonly timings: Timings;
}

/**
 * Registers the menu of commands where it is another than the one that is registered. Resolves always; that it fails keeps
 * nothing else back, and after some tries it is left for the next start.
 */
export async function registerMenu(given: MenuDeps): Promise<void> {
  const { deps, client, timings } = given;
  for (let attempt = 1; attempt <= TRIES && !client.closed.aborted; attempt += 1) {
    try {
      return await register(given);
    } catch (error) {
      const failure = failureOf(error);
      if (client.closed.aborted) return;
      deps.log('telegram_menu_failed', { reason: reasonOf(failure), attempt });
      const asked = failure.kind === 'refused' ? (failure.retryAfterMs ?? 0) : 0;
      await pause(Math.max(asked, timings.firstRetryMs * 4 ** attempt), client.closed);
    }
  }
}

async function register({ client, memory, bot, deps, timings }: MenuDeps): Promise<void> {
  const digest = menuDigest(bot, deps.commands);
  if ((await memory.get('menu')) === digest) return;
  for (const type of SCOPES) {
    for (const { language, code } of MENU_LANGUAGES) {
      const commands = [...menuOf(deps.commands, language)];
      const where = { scope: { type }, ...(code === '' ? {} : { language_code: code }) };
      await client.api.raw.setMyCommands({ commands, ...where }, client.within(timings.callMs));
    }
  }
  await memory.set('menu', digest);
  deps.log('telegram_menu_registered', { commands: deps.commands.length });
}
