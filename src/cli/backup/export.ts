import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import { type BackedUp, DUMP, type Manifest } from '../../../agent/backup/manifest.ts';
import { MESSAGES } from '../../chat/messages/index.ts';
import { FettleError, toFettleError } from '../../domain/errors.ts';
import { syncFolder } from '../../files/durable.ts';
import { type BackupCommand, oneBackup } from './device.ts';

export interface ExportBackup extends BackupCommand {
  readonly backup: string;
  readonly seq: string | undefined;
  /** `-`: standard output. */
  readonly file: string;
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/**
 * `fettle backup export APP/SEQ FILE.tar.zst`: one folder, `APP-SEQ/`, with the manifest, `data/` and what `backup.command`
 * printed. Each file is hashed on its way: a damaged backup is not exported; on standard output it breaks off.
 *
 * @throws {FettleError} `unknown_app` · `unknown_backup` · `backup_failed` · `no_space` · `bad_arguments` where the file is there
 */
export async function runBackupExport(options: ExportBackup): Promise<0> {
  const { layout, print, json, file, signal } = options;
  const { app, manifest, folder } = oneBackup(layout, options.backup, options.seq);
  const path = resolve(file);
  const part = `${path}.part`;
  const toFile = file !== '-';
  if (toFile && existsSync(path)) {
    throw new FettleError('bad_arguments', {
      data: { reason: `${file} is there already`, usage: 'fettle backup export APP/SEQ FILE.tar.zst' },
    });
  }
  const output = toFile ? createWriteStream(part, { flags: 'w', mode: 0o600, flush: true }) : options.output;
  const archive = pack();
  try {
    const written = pipeline(archive, createZstdCompress(), output, { signal, end: toFile });
    // Whichever fails first says why: the other only says that it was cut off.
    await Promise.all([
      written,
      add(archive, folder, `${app}-${manifest.seq}`, manifest, signal).catch((error) => {
        archive.destroy(error as Error);
        throw error;
      }),
    ]);
    if (toFile) {
      renameSync(part, path);
      syncFolder(dirname(path));
    }
  } catch (error) {
    if (toFile) rmSync(part, { force: true });
    throw toFettleError(error, 'io_failed', { app, path: file });
  }
  if (!toFile) return 0;
  const { size } = statSync(path);
  if (json) print(JSON.stringify({ app, seq: manifest.seq, file: path, bytes: size, exit: 0 }));
  else print(`Backup ${app}/${manifest.seq} is in ${file}, ${MESSAGES.en.bytes(size)}.`);
  return 0;
}

async function add(
  archive: Pack,
  folder: string,
  name: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  await write(archive, { name: `${name}/manifest.json`, mode: 0o600 }, JSON.stringify(manifest));
  for (const entry of manifest.entries) {
    signal.throwIfAborted();
    const header = headerOf(entry, `${name}/data/${entry.path}`);
    if (entry.type === 'folder') await write(archive, { ...header, name: `${header.name}/`, type: 'directory' }, '');
    else if (entry.type === 'link')
      await write(archive, { ...header, type: 'symlink', linkname: entry.target ?? '' }, '');
    else await stream(archive, header, join(folder, 'data', entry.path), entry);
  }
  if (manifest.dump) {
    const header = { name: `${name}/${DUMP}`, mode: 0o600 };
    await stream(archive, header, join(folder, DUMP), { path: DUMP, ...manifest.dump });
  }
  archive.finalize();
}

function headerOf({ mode, uid, gid, mtime }: BackedUp, name: string) {
  return { name, mode, uid, gid, mtime: new Date(Number(BigInt(mtime) / 1_000_000n)) };
}

type Header = Parameters<Pack['entry']>[0];

function write(archive: Pack, header: Header, content: string): Promise<void> {
  return new Promise((done, fail) => {
    archive.entry(header, content, (error) => (error ? fail(error) : done()));
  });
}

async function stream(
  archive: Pack,
  header: Header,
  path: string,
  { size, sha256, path: name }: Pick<BackedUp, 'path' | 'size' | 'sha256'>,
): Promise<void> {
  const bad = (reason: string) => new FettleError('backup_failed', { data: { path: name, reason } });
  const there = existsSync(path) ? statSync(path).size : undefined;
  // A header says how much follows.
  if (there !== size)
    throw bad(there === undefined ? 'it is missing in the backup' : 'its size differs from the manifest');
  const hash = createHash('sha256');
  const entry = archive.entry({ ...header, size });
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    entry,
  );
  if (hash.digest('hex') !== sha256) throw bad('its hash differs from the manifest');
}
