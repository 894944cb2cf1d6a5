import { closeSync, openSync, writeSync } from 'node:fs';
import { type Redactor, redactorOf } from '../../src/domain/redact.ts';
import { createRedactingStream } from '../../src/domain/redaction/stream.ts';

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
/** Of which the last lines are told. */
const SAID_BYTES = 20_000;

/** What a reader of the last lines is given is looked at from so far before: a private key has this many characters. */
const BEFORE_BYTES = 6_000;

/**
 * @param file replaced; only its owner may read it, and no secret is written to it
 * @param redactor of what the device knows; without it only what looks like a secret is hidden
 */
export function openBuildLog(file: string, redactor: Redactor = redactorOf()): BuildLog {
  const handle = openSync(file, 'w', 0o600);
  let bytes = 0;
  /** Of what was said, as it was said. */
  let said: Buffer = Buffer.alloc(0);
  let written = 0;
  let tail: Buffer = Buffer.alloc(0);
  let open = true;
  const stream = createRedactingStream(redactor, (text) => {
    const chunk = Buffer.from(text);
    if (written < HEAD_BYTES) writeAll(handle, chunk.subarray(0, HEAD_BYTES - written));
    written += chunk.byteLength;
    tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
  });
  const lines = (text: string) =>
    text
      .split(/[\r\n]+/)
      // Colours and cursor movements of tools that take a pipe for a terminal.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .map((line) => line.replace(/\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]/g, '').trim())
      .filter((line) => line !== '');
  /** The last lines, of which the first is whole: half of a secret would not be recognised. */
  const last = (length: number) => {
    const text = said.subarray(-length).toString('utf8');
    const from = said.byteLength > length ? text.search(/[\r\n]/) + 1 : 0;
    // One line without an end: what is known of it is its length.
    return lines(redactor.redact(from === 0 && said.byteLength > length ? '…' : text.slice(from)));
  };
  return {
    write(chunk) {
      if (!open) return;
      bytes += chunk.byteLength;
      said = Buffer.concat([said, chunk]).subarray(-SAID_BYTES);
      stream.write(chunk);
    },
    lastLine: () => (last(BEFORE_BYTES).at(-1) ?? '').slice(0, 200),
    lastLines: (count) => last(SAID_BYTES - 1).slice(-count),
    bytes: () => bytes,
    close() {
      if (!open) return;
      open = false;
      stream.end();
      const left = written - HEAD_BYTES;
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
