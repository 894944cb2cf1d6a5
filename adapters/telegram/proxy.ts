/** Which proxy a call takes: the chat's own, else what the environment says (`HTTPS_PROXY`, `NO_PROXY`), else none. */

export type ProxyChoice =
  | { readonly kind: 'none' }
  /** `shown` has no password. */
  | { readonly kind: 'http'; readonly address: string; readonly shown: string }
  /** An address that is no HTTP proxy's. */
  | { readonly kind: 'unusable'; readonly shown: string };

/**
 * @param own the chat's own setting: an address, or `none`
 * @param target the address of the API; with a proxy, plain http goes through CONNECT as well
 */
export function chooseProxy(
  own: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  target: URL,
): ProxyChoice {
  if (own === 'none') return { kind: 'none' };
  if (own !== undefined) return proxyOf(own);
  const found = environment.HTTPS_PROXY || environment.https_proxy;
  if (!found) return { kind: 'none' };
  if (isExempt(target, environment.NO_PROXY || environment.no_proxy || '')) return { kind: 'none' };
  return proxyOf(found);
}

function proxyOf(address: string): ProxyChoice {
  // `proxy.example:3128`, as curl takes it.
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  if (!URL.canParse(spelled)) return { kind: 'unusable', shown: 'the proxy that is set' };
  const url = new URL(spelled);
  const shown = `${url.protocol}//${url.host}`;
  const usable = url.protocol === 'http:' || url.protocol === 'https:';
  return usable ? { kind: 'http', address: url.href, shown } : { kind: 'unusable', shown };
}

/** `NO_PROXY`: names and their subdomains, with or without a leading point or a port; `*` is everything. */
function isExempt(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', wanted] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (entry.includes('::')) return entry === host;
      return (wanted === undefined || wanted === port) && (host === name || host.endsWith(`.${name}`));
    });
}
