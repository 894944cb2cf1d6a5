import { z } from 'zod';
import type { CredentialCheck, PlatformDeps } from '../../src/chat/contract.ts';
import type { DiscordSettings } from './adapter.ts';
import { type Api, createApi, type Failure, failureOf, STANDARD_API } from './api.ts';
import { PLATFORM } from './requests.ts';
import { looksLikeToken, PORTAL } from './token.ts';

/** Is the token good, and may the bot do what it must, wherever it is? Asks only; changes and sends nothing. */

/** Topics, Permissions, "Bitwise Permission Flags", as people find them in the settings of a server. */
const NEEDED: readonly (readonly [bit: bigint, name: string])[] = [
  [1n << 10n, 'View Channels'],
  [1n << 11n, 'Send Messages'],
  [1n << 14n, 'Embed Links'],
  [1n << 16n, 'Read Message History'],
  [1n << 38n, 'Send Messages in Threads'],
];
const ADMINISTRATOR = 1n << 3n;

const MeSchema = z.object({ id: z.string(), username: z.string() });
const GuildsSchema = z.array(z.object({ id: z.string(), name: z.string(), permissions: z.string() }));

type Problem = CredentialCheck['problems'][number];

export async function checkCredentials(
  settings: DiscordSettings,
  deps: PlatformDeps,
  signal: AbortSignal,
): Promise<CredentialCheck> {
  if (!looksLikeToken(settings.token)) {
    const data = { platform: PLATFORM, what: 'token', expected: 'three parts with dots between them', where: PORTAL };
    return { problems: [{ code: 'chat_credentials_malformed', data }] };
  }
  const { token, proxy, api: base = STANDARD_API } = settings;
  const api = createApi({ token, api: base, proxy, environment: deps.environment });
  try {
    const me = MeSchema.parse(await api.rest.get('/users/@me', { signal }));
    return { bot: me.username, problems: await problemsOf(settings, api, me.id, signal) };
  } catch (error) {
    return { problems: [problemOf(failureOf(error), api)] };
  } finally {
    await api.close();
  }
}

async function problemsOf(
  settings: DiscordSettings,
  api: Api,
  application: string,
  signal: AbortSignal,
): Promise<readonly Problem[]> {
  const guilds = GuildsSchema.parse(await api.rest.get('/users/@me/guilds', { signal }));
  const missing = (what: string, permissions: readonly string[], reason: string): Problem => ({
    code: 'chat_permission_missing',
    data: { platform: PLATFORM, what, permissions: [...permissions], reason },
  });
  if (guilds.length === 0) return [missing('talk to anybody', [], 'it is in no server yet')];
  const problems: Problem[] = [];
  const wanted = settings.guilds ?? guilds.map(({ id }) => id);
  for (const id of wanted) {
    const guild = guilds.find((one) => one.id === id);
    if (!guild) {
      problems.push(missing('serve a server that is configured', [], `it is not in ${id}`));
      continue;
    }
    const has = BigInt(guild.permissions);
    const lacks = (has & ADMINISTRATOR) === 0n ? NEEDED.filter(([bit]) => (has & bit) === 0n) : [];
    if (lacks.length > 0)
      problems.push(
        missing(
          `work in ${guild.name}`,
          lacks.map(([, name]) => name),
          guild.name,
        ),
      );
    try {
      await api.rest.get(`/applications/${application}/guilds/${id}/commands`, { signal });
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== 'refused') throw error;
      problems.push(missing(`offer commands in ${guild.name}`, ['applications.commands'], failure.reason));
    }
  }
  return problems;
}

function problemOf(failure: Failure, api: Api): Problem {
  const { reason } = failure;
  if (failure.kind === 'unauthorized') {
    return { code: 'chat_credentials_refused', data: { platform: PLATFORM, what: 'token', where: PORTAL, reason } };
  }
  if (failure.kind === 'refused') return { code: 'chat_refused', data: { platform: PLATFORM, reason } };
  const proxy = api.proxy === undefined ? {} : { proxy: api.proxy };
  return { code: 'chat_unreachable', data: { platform: PLATFORM, reason, ...proxy } };
}
