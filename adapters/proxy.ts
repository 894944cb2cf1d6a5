import { FettleError } from '../src/chat/contract.ts';

/** Which proxy leads to an address: the chat's own, else that of the environment, else none. One rule for every chat. */
export interface WebProxy {
  /** With a scheme, and credentials where it has some. */
  readonly address: string;
  /** For people: without credentials. */
  readonly shown: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param own `none`, an address, or `undefined`: the environment counts, in either case of letters, as curl has it:
 *   `HTTPS_PROXY` (for a plain address `HTTP_PROXY` comes first), then `ALL_PROXY` where it is no SOCKS proxy, which many
 *   have set for other programs; `NO_PROXY` excepts
 * @throws {FettleError} `chat_proxy_unusable` where the one that is set is no HTTP proxy
 */
export function proxyFor(
  platform: string,
  address: string,
  own: string | undefined,
  environment: Environment,
): WebProxy | undefined {
  if (own === 'none') return undefined;
  if (own !== undefined) return readProxy(platform, own, `chats.${platform}.proxy`);
  const url = new URL(address);
  const names = isSecure(url) ? ['HTTPS_PROXY'] : ['HTTP_PROXY', 'HTTPS_PROXY'];
  const name = [...names, 'ALL_PROXY'].find((one) => variable(environment, one) !== undefined);
  const found = name === undefined ? undefined : variable(environment, name);
  if (name === undefined || found === undefined) return undefined;
  if (name === 'ALL_PROXY' && /^socks/i.test(found)) return undefined;
  if (isExcepted(url, variable(environment, 'NO_PROXY') ?? '')) return undefined;
  return readProxy(platform, found, name);
}

function variable(environment: Environment, name: string): string | undefined {
  return environment[name.toLowerCase()]?.trim() || environment[name]?.trim() || undefined;
}

const isSecure = ({ protocol }: URL) => protocol === 'https:' || protocol === 'wss:';

function readProxy(platform: string, given: string, where: string): WebProxy {
  // `proxy.example:3128`, as curl takes it.
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url && url.host !== '' && (url.protocol === 'http:' || url.protocol === 'https:')) {
    return { address: url.href, shown: url.origin };
  }
  const proxy = url && url.host !== '' ? `${url.protocol}//${url.host}` : undefined;
  throw new FettleError('chat_proxy_unusable', {
    data: { platform, where, ...(proxy === undefined ? {} : { proxy }) },
  });
}

/** `NO_PROXY`: names with their subdomains, with or without a leading dot, a port perhaps; `*` is everything. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (isSecure(url) ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*' || entry === host) return true;
      const [, name = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (only !== undefined && only !== port) return false;
      return name !== '' && (host === name || host.endsWith(`.${name}`));
    });
}
