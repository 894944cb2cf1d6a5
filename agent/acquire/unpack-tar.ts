import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { refuse } from './slot-tree.ts';
import type { SlotWriter } from './slot-writer.ts';

/** tar, plain or compressed, as a stream: at no time is more than a few blocks of it in memory. */

export type Compression = 'none' | 'gzip' | 'zstd';

type Content = AsyncIterable<Uint8Array> & { resume(): unknown };

/**
 * @throws {FettleError} `artifact_invalid`; other errors are the decompressor's or the system's
 */
export async function unpackTar(
  path: string,
  compression: Compression,
  writer: SlotWriter,
  signal: AbortSignal,
): Promise<void> {
  const tail = keepTail();
  const entries = extract();
  const written = (async () => {
    for await (const entry of entries) await take(entry.header, entry as unknown as Content, writer);
  })();
  // Whichever fails first is the reason; the other side's error follows from it.
  const read = pipeline(
    [createReadStream(path, { highWaterMark: 1_000_000 }), ...decompress(compression), tail.stream, entries],
    {
      signal,
    },
  );
  const [reading, writing] = await Promise.allSettled([read, written]);
  if (writing.status === 'rejected' && reading.status === 'rejected') throw cause(reading.reason, writing.reason);
  if (writing.status === 'rejected') throw writing.reason;
  if (reading.status === 'rejected') throw reading.reason;
  if (!tail.endsInZeros()) throw refuse('it is cut off: the end mark of a tar archive is missing');
}

/**
 * A side that fails tears the pipe, and the other then only knows that it was torn: the error that says more is the
 * reason.
 */
function cause(reading: unknown, writing: unknown): unknown {
  return isTear(writing) ? reading : writing;
}

function isTear(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR' || message === 'Stream was destroyed';
}

function decompress(compression: Compression): Transform[] {
  switch (compression) {
    case 'none':
      return [];
    case 'gzip':
      return [createGunzip()];
    case 'zstd':
      return [createZstdDecompress()];
  }
}

async function take(header: Header & { pax?: unknown }, content: Content, writer: SlotWriter): Promise<void> {
  const { name } = header;
  const pax = (header.pax ?? {}) as Record<string, string>;
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse'))) throw refuse('it has a sparse file', name);
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      // Old archives mark a folder by the slash at its end.
      if (name.endsWith('/')) writer.folder(name);
      else await writer.file(name, header.mode ?? 0, content);
      break;
    case 'directory':
      writer.folder(name);
      break;
    case 'symlink':
      writer.link(name, header.linkname ?? '');
      break;
    case 'link':
      writer.hardLink(name, header.linkname ?? '');
      break;
    case 'character-device':
    case 'block-device':
      throw refuse('it has a device', name);
    case 'fifo':
      throw refuse('it has a FIFO', name);
    default:
      throw refuse('it has something that is neither a file, a folder nor a link', name);
  }
  content.resume();
}

/** A tar archive ends with zeros; one that was cut between two entries looks whole otherwise. */
function keepTail(): { readonly stream: Transform; endsInZeros(): boolean } {
  let tail = Buffer.alloc(0);
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      tail = Buffer.concat([tail, chunk.subarray(-512)]).subarray(-512);
      done(null, chunk);
    },
  });
  return { stream, endsInZeros: () => tail.length === 512 && tail.every((byte) => byte === 0) };
}
