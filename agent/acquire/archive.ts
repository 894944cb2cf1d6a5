import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { archiveEnding } from '../../src/origin/feed-format.ts';
import { abortError } from './abort.ts';
import { createSlotWriter, type SlotLimits, type SlotWriter } from './slot-writer.ts';
import { unpackTar } from './unpack-tar.ts';
import { unpackZip } from './unpack-zip.ts';

export interface UnpackOptions extends SlotLimits {
  /** The archive; its ending says what it is. */
  readonly file: string;
}

/**
 * Unpacks an archive into an empty slot: `.tar.gz`, `.tgz`, `.tar.zst`, `.tar`, `.zip`, streaming. What is in it is
 * taken as it is: a single folder at the top stays.
 *
 * Refused: absolute paths, `..`, links that lead out of the slot (also by way of other links), writing through a link,
 * the same name twice, devices, FIFOs, sparse files, encryption, more than {@link SlotLimits.maxUnpacked} bytes as
 * written, more than 200,000 entries, names that are too long, archives that are cut off or empty. Not taken over:
 * owner, times, setuid, setgid and sticky bits, extended attributes. Nothing is synced: that is the next state's work.
 *
 * @throws {FettleError} `artifact_invalid` {reason, entry}, `no_space`, `deadline_passed`, `cancelled`; the slot then
 *   holds what was unpacked so far, and no link
 */
export async function unpack(options: UnpackOptions): Promise<void> {
  const { file, signal } = options;
  const ending = archiveEnding(file);
  if (ending === undefined) {
    throw new FettleError('artifact_invalid', { data: { reason: 'it is no tar.gz, tgz, tar.zst, tar or zip' } });
  }
  signal.throwIfAborted();
  const writer = createSlotWriter(options);
  try {
    await unpackInto(writer);
    writer.finish();
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw readable(error);
  }

  function unpackInto(into: SlotWriter): Promise<void> {
    switch (ending) {
      case '.zip':
        return unpackZip(file, into, signal);
      case '.tar':
        return unpackTar(file, 'none', into, signal);
      case '.tar.zst':
        return unpackTar(file, 'zstd', into, signal);
      default:
        return unpackTar(file, 'gzip', into, signal);
    }
  }
}

/** Errors of zlib, tar-stream and yauzl as ours. */
function readable(error: unknown): FettleError {
  const code = (error as NodeJS.ErrnoException)?.code ?? '';
  if (/^(Z_|ZSTD_|ERR_)/.test(code)) {
    const reason = code === 'Z_BUF_ERROR' ? 'it is cut off' : 'it is damaged, or not what its name says';
    return new FettleError('artifact_invalid', { data: { reason }, cause: error });
  }
  return toFettleError(error, 'artifact_invalid');
}
