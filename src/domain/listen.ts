import { isLoopback } from './loopback.ts';

/** Devices dial this port where the file names none. That on loopback is another one. */
export const DEVICE_PORT = 7_412;

/** Where a hub listens for devices. */
export interface ListenAddress {
  /** A name or an address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
  readonly loopback: boolean;
}

/** `HOST`, `HOST:PORT`, `[::]:PORT`; `undefined` where it is none. */
export function parseListen(text: string): ListenAddress | undefined {
  const bare = /^[0-9a-f:]+$/i.test(text) && (text.match(/:/g)?.length ?? 0) > 1;
  const match = bare
    ? [text, text, undefined]
    : /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?$/i.exec(text);
  const host = match?.[1]?.replace(/^\[|\]$/g, '');
  const port = match?.[2] === undefined ? DEVICE_PORT : Number(match[2]);
  if (host === undefined || host === '' || port > 65_535) return undefined;
  const named = host.includes(':') ? `[${host}]` : host;
  if (!URL.canParse(`http://${named}`)) return undefined;
  return { host, port, loopback: isLoopback(named) };
}

/** Where every address of the machine is meant, none of them can be dialled by that name. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** What devices dial for a `publicUrl`. */
export function dialAddress(publicUrl: string): string {
  const url = new URL(publicUrl);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/agent`;
  return url.href;
}
