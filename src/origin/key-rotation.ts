import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeDurably } from '../files/durable.ts';
import { SignedText } from './feed-format.ts';
import { type MinisignPublicKey, readPublicKey, readSignature, verifyMinisign } from './minisign.ts';

/**
 * A new key for an app's releases: a statement that the old key signed. It is carried in the feed; whoever trusts the old
 * key takes the new one from it, for this app alone, and keeps the statement. What was kept is never forgotten, so a
 * stolen old key can't undo a rotation that revoked it.
 */

export const Rotation = z.object({
  /** The app, as the feed names it. Statements of releases have no such key. */
  rotate: z.string().min(1).max(40),
  from: z.string(),
  to: z.string(),
  /** From now on the old key counts for nothing. */
  revoke: z.boolean(),
  date: z.string(),
});
export type Rotation = z.infer<typeof Rotation>;

/** Rotations that were accepted, oldest first, by app. */
export interface RotationStore {
  accepted(app: string): Promise<readonly SignedText[]>;
  /** Keeps it, durably, after the others. */
  accept(app: string, rotation: SignedText): Promise<void>;
}

/** A chain longer than this is not followed. */
const MAX_ROTATIONS = 64;

/** The exact text of a rotation that is signed. */
export function rotationText(rotation: Rotation): string {
  const { rotate, from, to, revoke, date } = rotation;
  return JSON.stringify({ rotate, from, to, revoke, date });
}

/**
 * The keys that count for an app now: those that are pinned, and whom they handed over to.
 *
 * @param pinned `RW…`, of the configuration
 * @param offered what the feed carries; what fits is kept in the store, what does not is passed over
 */
export async function currentKeys(
  app: string,
  pinned: readonly string[],
  offered: readonly SignedText[],
  store: RotationStore,
): Promise<readonly MinisignPublicKey[]> {
  const known = await store.accepted(app);
  const trusted = new Set(pinned);
  for (const one of known) apply(app, one, trusted);
  for (const one of offered) {
    if (known.length >= MAX_ROTATIONS || known.some(({ statement }) => statement === one.statement)) continue;
    if (apply(app, one, trusted)) await store.accept(app, one);
  }
  return [...trusted].map(readPublicKey);
}

/** Changes `trusted` by a rotation that one of these keys signed, about itself. False: it is none. */
function apply(app: string, signed: SignedText, trusted: Set<string>): boolean {
  const rotation = readRotation(signed);
  if (rotation?.rotate !== app || !trusted.has(rotation.from)) return false;
  trusted.add(rotation.to);
  if (rotation.revoke && rotation.to !== rotation.from) trusted.delete(rotation.from);
  return true;
}

/** `undefined` where it is no rotation, or not signed by the key that hands over. */
export function readRotation({ statement, signature }: SignedText): Rotation | undefined {
  try {
    const rotation = Rotation.parse(JSON.parse(statement));
    readPublicKey(rotation.to);
    const keys = [readPublicKey(rotation.from)];
    verifyMinisign({ message: Buffer.from(statement, 'utf8'), signature: readSignature(signature), keys });
    return rotation;
  } catch {
    return undefined;
  }
}

const Stored = z.record(z.string(), z.array(SignedText));

/** Rotations in a JSON file (0600). One that can't be read stops with an error: guessing would forget a revocation. */
export function createRotationFile(path: string): RotationStore {
  const read = (): z.infer<typeof Stored> => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
    return Stored.parse(JSON.parse(text));
  };
  return {
    accepted: async (app) => read()[app] ?? [],
    accept: async (app, rotation) => {
      const all = read();
      writeDurably(path, `${JSON.stringify({ ...all, [app]: [...(all[app] ?? []), rotation] })}\n`);
    },
  };
}
