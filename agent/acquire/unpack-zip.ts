import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { refuse } from './slot-tree.ts';
import type { SlotWriter } from './slot-writer.ts';

/** zip: read by its central directory. */

const FILE_TYPE = 0o170000;
const SYMLINK = 0o120000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
const UNIX = 3;
/** A link's target is its content. */
const MAX_TARGET_BYTES = 4_096;

/**
 * @throws {FettleError} `artifact_invalid`; other errors are yauzl's or the system's
 */
export async function unpackZip(path: string, writer: SlotWriter, signal: AbortSignal): Promise<void> {
  const zip = await openPromise(path, { strictFileNames: true });
  try {
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      const name = entry.fileName;
      if (entry.isEncrypted()) throw refuse('it is encrypted', name);
      const mode = entry.versionMadeBy >>> 8 === UNIX ? entry.externalFileAttributes >>> 16 : 0;
      const type = mode & FILE_TYPE;
      if (name.endsWith('/')) {
        writer.folder(name);
        continue;
      }
      if (type !== 0 && type !== REGULAR && type !== SYMLINK && type !== FOLDER) {
        throw refuse('it has a device, a FIFO or a socket', name);
      }
      const content = contentOf(zip, entry);
      if (type === SYMLINK) {
        if (entry.uncompressedSize > MAX_TARGET_BYTES) throw refuse('a link in it is too long', name);
        writer.link(name, await text(content));
      } else await writer.file(name, mode, content);
    }
  } finally {
    zip.close();
  }
}

/**
 * Opened when it is first read, not before: yauzl's streams emit their errors whether anybody listens or not, and an
 * error that nobody listens to would end the agent. yauzl checks lengths; checksums are ours.
 */
async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Uint8Array> {
  const stream = await zip.openReadStreamPromise(entry);
  // Some come twice, the second after the reader has gone.
  stream.on('error', () => {});
  let sum = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw refuse('a file in it is damaged', entry.fileName);
}

async function text(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
