import type { CredentialCheck, PlatformDeps } from '../../src/chat/contract.ts';
import { type Api, createApi } from './api.ts';
import { failureOf } from './failure.ts';
import { type Problem, problemOf } from './link.ts';
import { createQuietLogger, domainOf, type FeishuSettings, malformed } from './settings.ts';
import { wayTo } from './way.ts';

/** "Get bot info", `activate_status`: enabled, and enabled with an update that waits. */
const ENABLED: readonly number[] = [2, 4];

/** Asks Feishu who the app is and what it may do: a token, the bot, the scopes that are granted. Only reads. */
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
    const missing = await lacking(api);
    if (missing.length > 0) {
      const data = { platform: 'feishu', what: 'hear and answer', permissions: missing };
      problems.push({ code: 'chat_permission_missing', data });
    }
    return { bot: bot.name, problems };
  } catch (error) {
    return { problems: [problemOf(failureOf(error), way.proxy)] };
  } finally {
    way.close();
  }
}

/** What Fettle can't do without; any one of a line is enough ("Send message", "Receive message"). */
const NEEDED: readonly (readonly string[])[] = [
  ['im:message:send_as_bot', 'im:message', 'im:message:send'],
  ['im:message.p2p_msg:readonly', 'im:message.p2p_msg', 'im:message'],
  ['im:message.group_at_msg:readonly', 'im:message.group_at_msg', 'im:message.group_msg', 'im:message'],
];

/** The first of each line of which nothing is granted; none where the platform does not say what is. */
async function lacking(api: Api): Promise<string[]> {
  try {
    const granted = await api.scopes();
    return NEEDED.flatMap((some) => (some.some((scope) => granted.has(scope)) ? [] : some.slice(0, 1)));
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind !== 'strange' && failure.kind !== 'permission') throw failure;
    return [];
  }
}
