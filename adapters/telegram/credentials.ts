import type { CredentialCheck, PlatformDeps } from '../../src/chat/contract.ts';
import { proxyFor } from '../proxy.ts';
import { API, type TelegramSettings } from './adapter.ts';
import { createClient } from './client.ts';
import { isFatal } from './deliveries.ts';
import { PLATFORM } from './events.ts';
import { failureOf } from './failure.ts';
import { meOf, TIMINGS, TOKEN, TOKEN_EXPECTED, TOKEN_SHAPE } from './polling.ts';

type Problem = CredentialCheck['problems'][number];

/** Asks Telegram who the bot is and whether something else takes its events. Changes nothing, sends nothing. */
export async function checkCredentials(
  settings: TelegramSettings,
  deps: Pick<PlatformDeps, 'environment'>,
  signal: AbortSignal,
): Promise<CredentialCheck> {
  if (!TOKEN_SHAPE.test(settings.token)) {
    return { problems: [{ code: 'chat_credentials_malformed', data: { ...TOKEN, expected: TOKEN_EXPECTED } }] };
  }
  const api = settings.api ?? API;
  const proxy = proxyFor(PLATFORM, api, settings.proxy, deps.environment);
  const client = createClient({ token: settings.token, apiRoot: api, proxy });
  const within = () => client.within(TIMINGS.callMs, signal);
  let bot: string | undefined;
  try {
    const me = meOf(await client.api.raw.getMe(within()));
    bot = `@${me.username}`;
    const { url } = await client.api.raw.getWebhookInfo(within());
    const problems: Problem[] = url
      ? [{ code: 'chat_conflict', data: { platform: PLATFORM, reason: 'a webhook is set' } }]
      : [];
    return { bot, problems };
  } catch (error) {
    const problem = problemOf(error, proxy?.shown);
    return { ...(bot === undefined ? {} : { bot }), problems: [problem] };
  } finally {
    await client.close();
  }
}

function problemOf(error: unknown, proxy: string | undefined): Problem {
  const failure = failureOf(error);
  if (failure.kind === 'unreached') {
    const data = { platform: PLATFORM, reason: failure.reason, ...(proxy === undefined ? {} : { proxy }) };
    return { code: 'chat_unreachable', data };
  }
  const { code, description } = failure;
  if (isFatal(code)) return { code: 'chat_credentials_refused', data: { ...TOKEN, reason: description } };
  return { code: 'chat_refused', data: { platform: PLATFORM, reason: description } };
}
