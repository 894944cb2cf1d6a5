import type { Agent } from 'node:http';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { proxyFor } from '../proxy.ts';
import { TunnelRefused } from './failure.ts';

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

/** @throws {FettleError} `chat_proxy_unusable` */
export function wayTo(
  address: string,
  own: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Way {
  const proxy = proxyFor('feishu', address, own, environment);
  if (proxy === undefined) return { agent: undefined, proxy: undefined, close: () => undefined };
  // One agent for both: CONNECT is used to plain addresses as well.
  const agent = new TunnelAgent(proxy.address, { keepAlive: true, timeout: KEEP_MS });
  return { agent, proxy: proxy.shown, close: () => agent.destroy() };
}

/** A CONNECT that is refused is an error: the agent would hand it on as if the platform itself had answered so. */
class TunnelAgent extends HttpsProxyAgent<string> {
  override async connect(...given: Parameters<HttpsProxyAgent<string>['connect']>) {
    const [request] = given;
    let status = 200;
    request.once('proxyConnect', ({ statusCode }: { readonly statusCode: number }) => {
      status = statusCode;
    });
    const socket = await super.connect(...given);
    if (status === 200) return socket;
    socket.destroy();
    throw new TunnelRefused(status);
  }
}
