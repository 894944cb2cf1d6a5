import { existsSync, rmSync } from 'node:fs';
import { writeDurably } from '../../src/files/durable.ts';

/** 8 MB that are given back first when a revert finds the disk full: the journal must always be writable. */
const SIZE = 8 * 1024 * 1024;

export interface Ballast {
  /** Makes the file where it is missing; a disk that is too full for it is no failure. */
  fill(): void;
  /** Gives the space back. */
  drop(): void;
}

export function createBallast(path: string): Ballast {
  return {
    fill() {
      if (existsSync(path)) return;
      try {
        // Not zeros: a file system that compresses would keep nothing in reserve.
        writeDurably(path, randomBlock());
      } catch {
        rmSync(path, { force: true });
      }
    },
    drop() {
      try {
        rmSync(path, { force: true });
      } catch {
        // A disk that can't be written gives nothing back.
      }
    },
  };
}

function randomBlock(): Uint8Array {
  const block = new Uint8Array(SIZE);
  for (let offset = 0; offset < SIZE; offset += 65_536) crypto.getRandomValues(block.subarray(offset, offset + 65_536));
  return block;
}
