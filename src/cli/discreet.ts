import {
  checkCredentials,
  createPlatformAdapter,
  type PlatformDeps,
  type PlatformName,
  type PlatformSettings,
} from '../../adapters/index.ts';
import type { Adapter, Connection, CredentialCheck } from '../chat/contract.ts';
import type { ErrorData } from '../domain/errors.ts';
import { createRedactor, type Redact } from '../domain/redact.ts';
import { chatSecrets } from './chat-platforms.ts';

/**
 * What a platform says of a chat is shown in many places, and it may be anything: a proxy's or a gateway's page that has
 * the request in it, with the token in its address. So it is redacted where it comes in.
 */

/** An adapter whose connection shows no secret. */
export function discreet(adapter: Adapter, redact: Redact): Adapter {
  return { ...adapter, connection: () => redacted(adapter.connection(), redact) };
}

/** One platform's adapter, where no hub is that redacts what leaves it. */
export async function openChat(name: PlatformName, settings: PlatformSettings, deps: PlatformDeps): Promise<Adapter> {
  return discreet(await createPlatformAdapter(name, settings, deps), redactorOf(name, settings, deps));
}

/** Asks the platform about the credentials, for `limitMs` at most; that nobody answers is one more problem. */
export async function askPlatform(
  name: PlatformName,
  settings: PlatformSettings,
  deps: PlatformDeps,
  { signal, limitMs }: { readonly signal: AbortSignal; readonly limitMs: number },
): Promise<CredentialCheck> {
  const redact = redactorOf(name, settings, deps);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const check = await checkCredentials(name, settings, deps, limit).catch((error: unknown): CredentialCheck => {
    signal.throwIfAborted();
    if (!limit.aborted) throw error;
    const data = { platform: name, reason: `no answer within ${limitMs / 1_000} s`, proxy: settings.proxy };
    return { problems: [{ code: 'chat_unreachable', data }] };
  });
  const problems = check.problems.map(({ code, data }) => ({ code, data: redactedData(data, redact) }));
  return { ...check, problems };
}

function redactorOf(name: PlatformName, settings: PlatformSettings, { environment }: PlatformDeps): Redact {
  return createRedactor({ secrets: chatSecrets({ [name]: settings }, environment) });
}

function redacted({ lastError, problem, ...connection }: Connection, redact: Redact): Connection {
  return {
    ...connection,
    ...(lastError === undefined ? {} : { lastError: redact(lastError) }),
    ...(problem === undefined ? {} : { problem: { ...problem, data: redactedData(problem.data, redact) } }),
  };
}

function redactedData(data: ErrorData, redact: Redact): ErrorData {
  const of = (value: ErrorData[string]) =>
    typeof value === 'string' ? redact(value) : Array.isArray(value) ? value.map(redact) : value;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, of(value)]));
}
