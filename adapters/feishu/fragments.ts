import type { WSClient } from '@larksuiteoapi/node-sdk';

/**
 * An event may come in fragments, which the SDK's client keeps until all are there, for ten to twenty seconds: as many as
 * it is told of, and room for as many as the first of them says there are. Here both are bounded; what is beyond is
 * dropped unacknowledged, and an event that was meant comes again.
 */

/** An event's text has 150 KB at the most ("Send message"), and a frame many of them. */
const MOST_PARTS = 256;
const MOST_EVENTS = 128;
const MOST_BYTES = 8 * 1024 * 1024;

interface Part {
  readonly message_id: string;
  readonly sum: number;
  readonly data?: { readonly byteLength: number } | undefined;
}

interface Cache {
  readonly cache: Map<string, { readonly buffer: readonly (Part['data'] | undefined)[] }>;
  mergeData(part: Part): unknown;
}

export function boundFragments(client: WSClient): void {
  const { dataCache } = client as unknown as { readonly dataCache: Cache };
  const merge = dataCache.mergeData.bind(dataCache);
  dataCache.mergeData = (part) => {
    // Most come whole.
    if (part.sum === 1) return merge(part);
    if (part.sum > MOST_PARTS) throw new Error('too many fragments');
    const { cache } = dataCache;
    const bytes = (part.data?.byteLength ?? 0) + sizeOf(cache);
    if (bytes > MOST_BYTES) cache.clear();
    const [oldest] = cache.keys();
    if (oldest !== undefined && cache.size >= MOST_EVENTS && !cache.has(part.message_id)) cache.delete(oldest);
    return merge(part);
  };
}

function sizeOf(cache: Cache['cache']): number {
  let size = 0;
  for (const { buffer } of cache.values()) for (const data of buffer) size += data?.byteLength ?? 0;
  return size;
}
