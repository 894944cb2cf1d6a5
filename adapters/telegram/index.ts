import type { Adapter, PlatformDeps } from '../../src/chat/contract.ts';
import { createTelegramAdapter, type TelegramSettings } from './adapter.ts';

/** Telegram by long polling: a bot of @BotFather, docs/chats/telegram.md. */

export function createAdapter(settings: TelegramSettings, deps: PlatformDeps): Adapter {
  return createTelegramAdapter(settings, deps);
}

export { checkCredentials } from './credentials.ts';
