import { closeSync, openSync, writeSync } from 'node:fs';
import { createRedactor } from '../../src/domain/redact.ts';

/** What a build says, in a file that it can't make grow without end. */
export interface BuildLog {
  write(chunk: Uint8Array): void;
  /** The last line that is not empty, redacted; at most 200 characters. */
  lastLine(): string;
  /** The last lines that are not empty, redacted. */
  lastLines(count: number): readonly string[];
  /** Bytes that were said. */
  bytes(): number;
  close(): void;
}

/** Of the beginning, and of the end. */
const HEAD_BYTES = 4_000_000;
const TAIL_BYTES = 256_000;

/** @param file replaced; only its owner may read it */
export function openBuildLog(file: string): BuildLog {
  const redact = createRedactor();
  const handle = openSync(file, 'w', 0o600);
  let bytes = 0;
  let tail: Buffer = Buffer.alloc(0);
  let open = true;
  const lines = (text: string) =>
    text
      .split(/[\r\n]+/)
      // Colours and cursor movements of tools that take a pipe for a terminal.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .map((line) => line.replace(/\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]/g, '').trim())
      .filter((line) => line !== '');
  return {
    write(chunk) {
      if (!open) return;
      if (bytes < HEAD_BYTES) writeAll(handle, chunk.subarray(0, HEAD_BYTES - bytes));
      bytes += chunk.byteLength;
      tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    },
    lastLine: () => redact(lines(tail.subarray(-2_000).toString('utf8')).at(-1) ?? '').slice(0, 200),
    lastLines: (count) => lines(redact(tail.subarray(-20_000).toString('utf8'))).slice(-count),
    bytes: () => bytes,
    close() {
      if (!open) return;
      open = false;
      const left = bytes - HEAD_BYTES;
      if (left > 0) {
        const kept = tail.subarray(-Math.min(left, TAIL_BYTES));
        writeAll(handle, Buffer.from(`\n… ${left - kept.byteLength} bytes left out …\n`));
        writeAll(handle, kept);
      }
      closeSync(handle);
    },
  };
}

/** A full disk loses words and fails no build: the build itself will find out. */
function writeAll(handle: number, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(handle, bytes, at);
  } catch {
    // ENOSPC
  }
}
