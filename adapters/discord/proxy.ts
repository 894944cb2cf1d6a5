/** Which proxy leads to an address: the chat's own, else that of the environment, else none. */

/**
 * @param own `none`, an address, or `undefined`: `HTTPS_PROXY` (`HTTP_PROXY` for a plain address) and `NO_PROXY` count, in
 *   either case, as curl has them
 */
export function proxyFor(
  address: string,
  own: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (own !== undefined) return own === 'none' ? undefined : own;
  const url = new URL(address);
  const variable = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  const proxy = (secure ? variable('HTTPS_PROXY') : variable('HTTP_PROXY')) ?? variable('ALL_PROXY');
  if (proxy === undefined || excepted(url, variable('NO_PROXY') ?? '')) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** `NO_PROXY`: names and their subdomains, perhaps with a port; `*` is all. */
function excepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' || url.protocol === 'wss:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (only !== undefined && only !== port) return false;
      return host === name || host.endsWith(`.${name}`);
    });
}
