/** 127.0.0.0/8, ::1, localhost: this machine itself. What may be asked without TLS; for what may not be asked: {@link leadsHere}. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * {@link isLoopback}, and whatever else leads to this machine by its spelling: `0.0.0.0`, `[::]`, mapped addresses, names
 * under `localhost`. Somebody else's word must not be enough to ask there.
 */
export function leadsHere(host: string): boolean {
  const plain = host.replace(/\.$/, '');
  return (
    isLoopback(plain) ||
    plain.endsWith('.localhost') ||
    /^0\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain) ||
    /^\[::(ffff:(7f[0-9a-f]{2}|0):[0-9a-f]{1,4})?\]$/.test(plain)
  );
}
