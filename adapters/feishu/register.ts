import { defaultHttpInstance, registerApp } from '@larksuiteoapi/node-sdk';
import { FettleError } from '../../src/chat/contract.ts';
import { failureOf } from './failure.ts';
import { wayTo } from './way.ts';

/**
 * Makes an app by a scan: a person opens an address in Feishu or Lark, confirms, and the app is there with its scopes,
 * events and callbacks (RFC 8628; the SDK's `registerApp`). Where the tenant does not allow it, the set-up page is by hand.
 */

export interface RegisterOptions {
  /** `feishu` unless given; a tenant of Lark is recognised at the scan. An address, for tests: the SDK knows no plain HTTP. */
  readonly domain?: string | undefined;
  /** Called once, with what the person is to open and how long it lasts. */
  readonly onQr: (url: string, expiresInS: number) => void;
  readonly signal: AbortSignal;
  readonly proxy?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface FeishuRegistration {
  readonly appId: string;
  readonly appSecret: string;
  /** `feishu` or `lark`, for the hub's file; the address where one was given. */
  readonly domain: string;
}

const ACCOUNTS = { feishu: 'accounts.feishu.cn', lark: 'accounts.larksuite.com' } as const;
const TIMEOUT_MS = 15_000;

/** What Fettle needs, as the confirmation page shows it. */
export const ADDONS = {
  scopes: {
    tenant: [
      'im:message:send_as_bot',
      'im:message.p2p_msg:readonly',
      'im:message.group_at_msg:readonly',
      'im:message:readonly',
      'contact:user.base:readonly',
    ],
  },
  events: {
    items: {
      tenant: ['im.message.receive_v1', 'application.bot.menu_v6', 'im.chat.member.bot.deleted_v1'],
    },
  },
  callbacks: { items: ['card.action.trigger'] },
};

/** @throws {FettleError} `chat_refused` where the person or the platform declines or time runs out; `chat_unreachable`. */
export async function registerFeishu(options: RegisterOptions): Promise<FeishuRegistration> {
  const { domain, signal } = options;
  const address = domain !== undefined && /^https?:\/\//.test(domain) ? domain.replace(/\/+$/, '') : undefined;
  const host = domain === 'lark' ? ACCOUNTS.lark : ACCOUNTS.feishu;
  const way = wayTo(address ?? `https://${host}`, options.proxy, options.environment ?? {});
  const ended = new AbortController();
  const stop = () => ended.abort();
  signal.addEventListener('abort', stop, { once: true });
  // The SDK asks with its shared client alone, and hands it neither deadline nor agent.
  const interceptor = defaultHttpInstance.interceptors.request.use((request) => {
    if (address !== undefined) request.url = request.url?.replace(/^https:\/\/[^/]+/, address) ?? address;
    return Object.assign(request, {
      timeout: TIMEOUT_MS,
      signal: ended.signal,
      ...(way.agent === undefined ? {} : { httpAgent: way.agent, httpsAgent: way.agent }),
      proxy: false as const,
      maxRedirects: 0,
    });
  });
  try {
    if (signal.aborted) throw new Error('aborted');
    const { client_id, client_secret, user_info } = await registerApp({
      domain: host,
      larkDomain: ACCOUNTS.lark,
      source: 'fettle',
      signal: ended.signal,
      appPreset: { name: 'Fettle', desc: 'Keeps bots, services and devices up to date' },
      addons: ADDONS,
      onQRCodeReady: ({ url, expireIn }) => options.onQr(url, expireIn),
    });
    const brand = user_info?.tenant_brand === 'lark' || domain === 'lark' ? 'lark' : 'feishu';
    return { appId: client_id, appSecret: client_secret, domain: address ?? brand };
  } catch (error) {
    throw registrationError(error, way.proxy);
  } finally {
    ended.abort();
    signal.removeEventListener('abort', stop);
    defaultHttpInstance.interceptors.request.eject(interceptor);
    way.close();
  }
}

/** The SDK rejects with `{code, description}` for what RFC 8628 names, and with its client's errors otherwise. */
function registrationError(error: unknown, proxy: string | undefined): FettleError {
  const { code, description } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    description?: unknown;
  };
  if (typeof description === 'string' && typeof code === 'string') {
    return new FettleError('chat_refused', {
      data: { platform: 'feishu', reason: `${code}: ${description}`, setup: true },
    });
  }
  const reason = failureOf(error).message;
  return new FettleError('chat_unreachable', {
    data: { platform: 'feishu', reason, setup: true, ...(proxy === undefined ? {} : { proxy }) },
    retryable: true,
  });
}
