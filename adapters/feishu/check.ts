import type { CredentialCheck, PlatformDeps } from '../../src/chat/contract.ts';
import { createApi } from './api.ts';
import { failureOf } from './failure.ts';
import { CONSOLE, type Problem, problemOf } from './link.ts';
import { wayTo } from './proxy.ts';
import { createQuietLogger, domainOf, type FeishuSettings, malformed } from './settings.ts';

/** "Get bot info", `activate_status`: enabled, and enabled with an update that waits. */
const ENABLED: readonly number[] = [2, 4];

/** Asks Feishu who the app is and what it may do: a token, the bot, and whether scopes are there. Sends nothing. */
export async function checkCredentials(
  settings: Omit<FeishuSettings, 'appId'> & { readonly appId?: string | undefined },
  deps: PlatformDeps,
  signal: AbortSignal,
): Promise<CredentialCheck> {
  const given = { ...settings, appId: settings.appId ?? '' };
  const wrong = malformed(given);
  if (wrong) return { problems: [wrong] };
  const domain = domainOf(given.api);
  const way = wayTo(domain, given.proxy, deps.environment);
  const logger = createQuietLogger(deps.log, given.token);
  const api = createApi({ appId: given.appId, secret: given.token, domain, way, signal, logger });
  try {
    const bot = await api.bot();
    const problems: Problem[] = [];
    if (!ENABLED.includes(bot.activateStatus)) {
      const reason = `the app is not enabled (activate_status ${bot.activateStatus}); publish a version of it, and let an administrator approve it`;
      problems.push({ code: 'chat_refused', data: { platform: 'feishu', reason } });
    }
    problems.push(...(await missing(() => api.reply(NO_MESSAGE, false, { card: '{}', uuid: 'check' }))));
    return { bot: bot.name, problems };
  } catch (error) {
    return { problems: [problemOf(failureOf(error), way.proxy)] };
  } finally {
    way.close();
  }
}

/** A message that there can't be: an answer to it is refused, for the scope first, and for the message then. */
const NO_MESSAGE = 'om_00000000000000000000000000000000';

async function missing(ask: () => Promise<unknown>): Promise<Problem[]> {
  try {
    await ask();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind === 'permission') return [problemOf(failure, undefined)];
  }
  return [];
}

export { CONSOLE };
