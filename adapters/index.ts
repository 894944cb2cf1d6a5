import { type Adapter, type CredentialCheck, FettleError, type PlatformDeps } from '../src/chat/contract.ts';
import { createAbsentAdapter } from './absent.ts';
import { keptApart } from './apart.ts';
import { createTerminalAdapter, type HubStatus } from './terminal/index.ts';

/** What a hub's file says of one platform, with its secret. Absent keys are the platform's own defaults. */
export interface PlatformSettings {
  /** The secret, or why there is none. */
  readonly secret:
    | { readonly found: true; readonly value: string }
    | { readonly found: false; readonly problem: CredentialCheck['problems'][number] };
  /** Address of an HTTP proxy, or `none`. */
  readonly proxy?: string | undefined;
  /** Address of the platform's API, where it is not its own; Feishu's `domain`. */
  readonly api?: string | undefined;
  /** Feishu's app. */
  readonly appId?: string | undefined;
  /** Discord's servers. */
  readonly guilds?: readonly string[] | undefined;
  readonly editIntervalMs?: number | undefined;
}

export type PlatformName = 'feishu' | 'discord' | 'telegram';

/** What adapters are made from; each takes what it needs. */
export interface AdapterDeps extends PlatformDeps {
  /** The hub's socket. */
  readonly socket: string;
  readonly status: () => Promise<HubStatus>;
  /** Those that are configured. */
  readonly platforms: Readonly<Partial<Record<PlatformName, PlatformSettings>>>;
}

/** One platform's folder, loaded only where it is configured: an SDK weighs tens of megabytes. */
interface Platform {
  createAdapter(settings: PlatformSettings & { readonly token: string }, deps: PlatformDeps): Adapter;
  /** Asks the platform whether the credentials are good and everything is allowed. Changes nothing there. */
  checkCredentials(
    settings: PlatformSettings & { readonly token: string },
    deps: PlatformDeps,
    signal: AbortSignal,
  ): Promise<CredentialCheck>;
}

/** A new platform is its folder and its line here. */
const PLATFORMS: Readonly<Record<PlatformName, () => Promise<Platform>>> = {
  discord: () => import('./discord/index.ts'),
  telegram: () => import('./telegram/index.ts'),
  feishu: () => import('./feishu/index.ts'),
};

/** Every chat that this hub talks to. */
export async function createAdapters(deps: AdapterDeps): Promise<readonly Adapter[]> {
  const chats = await Promise.all(
    Object.entries(deps.platforms).map(([name, settings]) =>
      createPlatformAdapter(name as PlatformName, settings, deps),
    ),
  );
  return [createTerminalAdapter({ ...deps, now: () => deps.clock.now() }), ...chats];
}

/** One platform's adapter. One that can't be made (its secret is missing, its proxy is none) says so, and sends nothing. */
export async function createPlatformAdapter(
  name: PlatformName,
  settings: PlatformSettings,
  deps: PlatformDeps,
): Promise<Adapter> {
  if (!settings.secret.found) return createAbsentAdapter(name, settings.secret.problem, deps.clock.now());
  try {
    const { createAdapter } = await PLATFORMS[name]();
    return keptApart(createAdapter({ ...settings, token: settings.secret.value }, deps), deps);
  } catch (error) {
    const problem = problemOf(name, error);
    deps.log('chat_not_started', { platform: name, problem: problem.code, reason: String(error) });
    return createAbsentAdapter(name, problem, deps.clock.now());
  }
}

/** Are one platform's credentials good, and is everything allowed that Fettle needs? */
export async function checkCredentials(
  name: PlatformName,
  settings: PlatformSettings,
  deps: PlatformDeps,
  signal: AbortSignal,
): Promise<CredentialCheck> {
  if (!settings.secret.found) return { problems: [settings.secret.problem] };
  const platform = await PLATFORMS[name]();
  try {
    return await platform.checkCredentials({ ...settings, token: settings.secret.value }, deps, signal);
  } catch (error) {
    if (error instanceof FettleError) return { problems: [problemOf(name, error)] };
    throw error;
  }
}

function problemOf(platform: PlatformName, error: unknown): CredentialCheck['problems'][number] {
  if (error instanceof FettleError) return { code: error.code, data: error.data };
  return { code: 'chat_refused', data: { platform, reason: error instanceof Error ? error.message : String(error) } };
}

export type { PlatformDeps } from '../src/chat/contract.ts';
export type { HubStatus } from './terminal/index.ts';
