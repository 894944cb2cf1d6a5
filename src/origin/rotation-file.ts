import { existsSync, readFileSync } from 'node:fs';
import { FettleError } from '../domain/errors.ts';
import { writeDurably } from '../files/durable.ts';
import type { SignedText } from './feed-format.ts';
import type { RotationStore } from './key-rotation.ts';

/**
 * Rotations in a JSON file (0600). One that can't be read stops with an error: guessing would forget a revocation. Whoever
 * pins no keys never gets as far as loading what reads it.
 *
 * @throws {FettleError} `key_unusable` {file, reason}
 */
export function createRotationFile(path: string): RotationStore {
  const read = (parse: (value: unknown) => Record<string, SignedText[]>): Record<string, SignedText[]> => {
    if (!existsSync(path)) return {};
    try {
      return parse(JSON.parse(readFileSync(path, 'utf8')));
    } catch (error) {
      const reason = 'it says which keys are revoked, and is damaged';
      const advice = 'Put it back from a backup, or remove it to trust the keys of the file again.';
      throw new FettleError('key_unusable', { data: { file: path, reason, advice }, cause: error });
    }
  };
  const parser = async () => (await import('./key-rotation.ts')).KeptRotations;
  return {
    accepted: async (app) => {
      const kept = await parser();
      return read(kept.parse)[app] ?? [];
    },
    accept: async (app, rotation) => {
      const kept = await parser();
      // Read and written without a pause: several apps may be looked at together.
      const all = read(kept.parse);
      writeDurably(path, `${JSON.stringify({ ...all, [app]: [...(all[app] ?? []), rotation] })}\n`);
    },
  };
}
