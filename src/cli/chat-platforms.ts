import type { PlatformName, PlatformSettings } from '../../adapters/index.ts';
import type { ChatsConfig } from '../../config/chat-schema.ts';
import { CHAT_PLATFORMS, readChatSecret, secretPlace } from '../../config/chat-secrets.ts';

/** The chats of a configuration, each with its secret or the reason why it has none. */
export function chatPlatforms(
  chats: ChatsConfig,
  configFile: string,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Partial<Record<PlatformName, PlatformSettings>>> {
  const configured = CHAT_PLATFORMS.filter((platform) => chats[platform] !== undefined);
  return Object.fromEntries(configured.map((platform) => [platform, settingsOf(platform)]));

  function settingsOf(platform: PlatformName): PlatformSettings {
    const place = secretPlace(platform, chats, configFile);
    const secret = readChatSecret(place, environment);
    const { what, file, variable } = place;
    const feishu = platform === 'feishu' ? chats.feishu : undefined;
    return {
      secret: secret.found
        ? { found: true, value: secret.value }
        : {
            found: false,
            problem: { code: 'chat_secret_missing', data: { platform, what, file, variable, reason: secret.reason } },
          },
      proxy: chats[platform]?.proxy,
      api: platform === 'feishu' ? feishu?.domain : chats[platform]?.api,
      appId: feishu?.appId,
      guilds: platform === 'discord' ? chats.discord?.guilds : undefined,
      editIntervalMs: chats.editInterval,
    };
  }
}

/** The values that must never be shown: each platform's secret, and the passwords of proxies. */
export function chatSecrets(
  platforms: Readonly<Partial<Record<PlatformName, PlatformSettings>>>,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const own = Object.values(platforms).flatMap(({ secret, proxy }) => [
    ...(secret.found ? [secret.value] : []),
    ...passwordsIn(proxy),
  ]);
  const proxies = Object.entries(environment).filter(([name]) => /^(?:https?|all)_proxy$/i.test(name));
  return [...own, ...proxies.flatMap(([, address]) => passwordsIn(address))];
}

/** As it is written in the address, as it is meant, and as a proxy is told it. */
function passwordsIn(address: string | undefined): string[] {
  if (address === undefined) return [];
  const spelled = address.includes('://') ? address : `http://${address}`;
  if (!URL.canParse(spelled)) return [];
  const { username, password } = new URL(spelled);
  if (password === '') return [];
  try {
    const meant = [decodeURIComponent(username), decodeURIComponent(password)];
    return [password, meant[1] ?? '', Buffer.from(meant.join(':')).toString('base64')];
  } catch {
    return [password];
  }
}
