import { FettleError } from '../../domain/errors.ts';
import type { Index } from '../../origin/feed-format.ts';
import { headOf, isSignedText } from '../../origin/feed-signature.ts';
import { readRotation } from '../../origin/key-rotation.ts';
import type { MinisignSecretKey } from '../../origin/minisign-secret.ts';

/** Signs the index of a feed. Statements are signed one by one, by whoever has their artifacts at hand. */
export function signIndex(index: Index, key: MinisignSecretKey): Index {
  const { head: _head, signature: _signature, ...rest } = index;
  const head = headOf(rest);
  return { ...rest, head, signature: key.sign(Buffer.from(head), `app=${index.app} index=${index.number}`) };
}

/**
 * A signed feed stays what its key vouches for: nothing is added without the key, nor with another, and what a server or
 * somebody else changed in it is not signed unseen.
 *
 * @throws {FettleError} `publish_refused`
 */
export function refuseForeignKey(index: Index | undefined, key: MinisignSecretKey | undefined): void {
  if (index?.head === undefined) return;
  const refused = (reason: string) => new FettleError('publish_refused', { data: { reason } });
  if (!key) throw refused('this feed is signed; say --key FILE, or devices that trust its key would refuse it');
  const own = key.publicKey.text;
  const handedOver = (index.rotations ?? []).flatMap((one) => {
    const rotation = readRotation(one);
    return rotation?.to === own ? [rotation.from] : [];
  });
  if (!isSignedText(index.head, index.signature, [own, ...handedOver])) {
    throw refused(
      `its index is not signed with this key (${key.keyId}); \`fettle rotate\` hands a feed over to a new key`,
    );
  }
  if (headOf(index) !== index.head) throw refused('its index was changed after it was signed; look who did that');
}

/** Releases whose statement the key did not sign. */
export function countUnsigned(index: Index, key: string): number {
  return index.releases.filter(({ statement, signature }) => !isSignedText(statement, signature, [key])).length;
}
