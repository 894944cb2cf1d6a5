import type { Adapter, PlatformDeps } from '../../src/chat/contract.ts';
import { createAdapter as create } from './adapter.ts';
import type { FeishuSettings } from './settings.ts';

/** What a hub's file says: `appId` is always there where there is a section for Feishu. */
type Given = Omit<FeishuSettings, 'appId'> & { readonly appId?: string | undefined };

export const createAdapter = (settings: Given, deps: PlatformDeps): Adapter =>
  create({ ...settings, appId: settings.appId ?? '' }, deps);

export { checkCredentials } from './check.ts';
export { type FeishuRegistration, registerFeishu } from './register.ts';
