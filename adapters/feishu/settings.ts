import type { PlatformDeps } from '../../src/chat/contract.ts';
import type { QuietLogger } from './api.ts';
import { CONSOLE, type Problem } from './link.ts';

/** What a hub's file says of Feishu, with the app's secret as `token`. */
export interface FeishuSettings {
  readonly appId: string;
  readonly token: string;
  /** `feishu`, `lark`, or an address. */
  readonly api?: string | undefined;
  readonly proxy?: string | undefined;
  readonly editIntervalMs?: number | undefined;
  /** A ping without an answer for so many seconds is a dead connection. */
  readonly pongS?: number | undefined;
}

/** `https://open.feishu.cn`, without a slash at its end. */
export function domainOf(api: string | undefined): string {
  if (api === undefined || api === 'feishu') return 'https://open.feishu.cn';
  if (api === 'lark') return 'https://open.larksuite.com';
  return api.replace(/\/+$/, '');
}

/** The SDK does nothing, and says nothing, with an id of another form (`WSClient.start`). */
export function malformed({ appId, token }: Pick<FeishuSettings, 'appId' | 'token'>): Problem | undefined {
  const wrong = (what: string, expected: string): Problem => ({
    code: 'chat_credentials_malformed',
    data: { platform: 'feishu', what, expected, where: CONSOLE },
  });
  if (!/^cli_[0-9a-fA-F]{16}$/.test(appId)) return wrong('app id', '`cli_` and 16 hexadecimal digits');
  if (!/^[\x21-\x7e]+$/.test(token)) return wrong('app secret', 'letters and digits without spaces');
  return undefined;
}

/** What the SDK says goes to the log as one line of words: its objects hold requests, with the secret in them. */
export function createQuietLogger(log: PlatformDeps['log'], secret: string): QuietLogger {
  const say = (...all: unknown[]) => {
    const words = all
      .flat(3)
      .map((one) => (typeof one === 'string' ? one : one instanceof Error ? one.message : ''))
      .filter((word) => word !== '')
      .join(' ');
    if (words !== '') log('feishu_sdk', { said: words.replaceAll(secret, '[hidden]').slice(0, 500) });
  };
  const nothing = () => undefined;
  return { error: say, warn: nothing, info: nothing, debug: nothing, trace: nothing };
}
