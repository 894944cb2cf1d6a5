import type { Agent } from 'node:http';
import { HttpsProxyAgent } from 'https-proxy-agent';

/** How Feishu is reached: straight, or through an HTTP proxy with CONNECT, for requests and sockets alike. */

export interface Way {
  /** Of requests and of the WebSocket; `undefined`: the process's own. */
  readonly agent: Agent | undefined;
  /** The proxy's address without credentials, for people. */
  readonly proxy: string | undefined;
  close(): void;
}

/** An idle connection is kept for the next request this long. */
const KEEP_MS = 30_000;

/**
 * @param address the platform's
 * @param proxy of this chat: an address, or `none`; `undefined`: `HTTPS_PROXY` and `NO_PROXY` decide
 */
export function wayTo(
  address: string,
  proxy: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Way {
  const through = proxy === 'none' ? undefined : (proxy ?? proxyOf(address, environment));
  if (through === undefined) return { agent: undefined, proxy: undefined, close: () => undefined };
  // One agent for both: CONNECT is used to plain addresses as well.
  const agent = new HttpsProxyAgent(through, { keepAlive: true, timeout: KEEP_MS });
  return { agent, proxy: withoutCredentials(through), close: () => agent.destroy() };
}

function proxyOf(address: string, environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const found = read('HTTPS_PROXY') ?? read('ALL_PROXY');
  if (found === undefined || excepted(new URL(address), read('NO_PROXY') ?? '')) return undefined;
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(found) ? found : `http://${found}`;
  // SOCKS is not spoken; a proxy that can't be used is better left out than a reason to fail.
  return URL.canParse(written) && /^https?:$/.test(new URL(written).protocol) ? written : undefined;
}

/** `NO_PROXY`: names with their subdomains, with or without a leading dot, a port perhaps; `*` is everything. */
function excepted(address: URL, list: string): boolean {
  const port = address.port || (address.protocol === 'http:' ? '80' : '443');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = entry, only] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      if (only !== undefined && only !== port) return false;
      const host = name.replace(/^\*?\./, '');
      return address.hostname === host || address.hostname.endsWith(`.${host}`);
    });
}

function withoutCredentials(address: string): string {
  const url = new URL(address);
  return `${url.protocol}//${url.host}`;
}
