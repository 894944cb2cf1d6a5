import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crc32, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** Archives, good and evil. */

/** One entry. `name` and `link` are written as they are. */
export interface TestEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly link?: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character-device' | 'block-device';
  readonly pax?: Record<string, string>;
}

/** A tar with exactly these entries. */
export async function tar(entries: readonly TestEntry[]): Promise<Buffer> {
  const packer = pack();
  const chunks: Buffer[] = [];
  const done = (async () => {
    for await (const chunk of packer) chunks.push(chunk as Buffer);
  })();
  for (const { name, content = '', mode = 0o644, link, type = 'file', pax } of entries) {
    const header = { name, mode, type, ...(link === undefined ? {} : { linkname: link }), ...(pax ? { pax } : {}) };
    if (type === 'file') packer.entry(header, content);
    else packer.entry({ ...header, size: 0 });
  }
  packer.finalize();
  await done;
  return Buffer.concat(chunks);
}

/** Writes an archive of the kind that the name's ending says. */
export async function writeArchive(path: string, entries: readonly TestEntry[]): Promise<Buffer> {
  const bytes = path.endsWith('.zip') ? zip(entries) : compress(path, await tar(entries));
  writeFileSync(path, bytes);
  return bytes;
}

export function compress(path: string, bytes: Buffer): Buffer {
  if (path.endsWith('.zst')) return zstdCompressSync(bytes);
  return /\.t?gz$/.test(path) ? gzipSync(bytes) : bytes;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, fifo: 0o010000, link: 0 } as const;

/** A zip (deflate) made by hand, because tools refuse to make evil ones. `lie` writes another size than there is. */
export function zip(entries: readonly TestEntry[], options: { lie?: number; damage?: boolean } = {}): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, content = '', link, mode = 0o644, type = 'file' } of entries) {
    const data = Buffer.from(link ?? content);
    const packed = deflateRawSync(data);
    const file = Buffer.from(name);
    const sum = options.damage ? 1 : crc32(data);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0800, 2);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(sum, 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(options.lie ?? data.length, 18);
    common.writeUInt16LE(file.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, file, packed]);
    const head = Buffer.alloc(6);
    head.write('PK\x01\x02', 'latin1');
    head.writeUInt16LE((3 << 8) | 20, 4);
    const tail = Buffer.alloc(14);
    const bits = type in TYPE_BITS ? TYPE_BITS[type as keyof typeof TYPE_BITS] : 0o020000;
    tail.writeUInt32LE(((bits | mode) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([head, common, tail, file]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
