import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError, systemCodeOf, toFettleError } from '../../domain/errors.ts';
import type { Clock } from '../../domain/id.ts';
import { writeDurably } from '../../files/durable.ts';
import { artifactPath, INDEX_FILE, type Index, readIndex } from '../../origin/feed-format.ts';
import { headOf, isSignedText } from '../../origin/feed-signature.ts';
import { readRotation, rotationText } from '../../origin/key-rotation.ts';
import type { MinisignPublicKey } from '../../origin/minisign.ts';
import type { MinisignSecretKey } from '../../origin/minisign-secret.ts';
import { lockFeed } from '../publish.ts';
import { signIndex } from './sign-feed.ts';

/** `fettle rotate`: the old key of a feed says which one is the new. */

export interface RotateOptions {
  readonly folder: string;
  readonly from: MinisignSecretKey;
  /** With its secret half all is signed anew; without it the old key goes on signing until the next `publish`. */
  readonly to: MinisignPublicKey | MinisignSecretKey;
  /** The old key counts for nothing from then on. Needs the new one's secret half. */
  readonly revoke: boolean;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
}

export interface Rotated {
  readonly app: string;
  readonly from: string;
  readonly to: string;
  readonly revoked: boolean;
  /** Releases that were signed anew. */
  readonly signed: number;
  readonly number: number;
}

/**
 * One write of the index: devices see the feed before or after. Only what the old key had signed is signed anew.
 *
 * @throws {FettleError} `publish_refused` {reason}
 */
export async function rotate(options: RotateOptions): Promise<Rotated> {
  const { folder, from, to, clock } = options;
  const newKey = 'publicKey' in to ? to.publicKey : to;
  const secret = 'publicKey' in to ? to : undefined;
  const refused = (reason: string) => new FettleError('publish_refused', { data: { reason } });
  if (newKey.text === from.publicKey.text) throw refused('the new key is the old one');
  if (options.revoke && !secret) {
    throw refused('--revoke needs the new secret key itself (--new FILE, not FILE.pub): all is signed anew with it');
  }
  // Before the lock, which would make the folder.
  readUnknown(folder, refused);
  const unlock = await lockFeed({ folder, clock });
  try {
    const index = readUnknown(folder, refused);
    if (index.head === undefined) throw refused('this feed is not signed; publish with --key first');
    const own = from.publicKey.text;
    // The second time, with `revoke`, the new key may have signed it already.
    if (!isSignedText(index.head, index.signature, [own, newKey.text])) {
      throw refused(`its index is not signed with this key (${from.keyId})`);
    }
    const handedOver = (index.rotations ?? [])
      .map(readRotation)
      .some((one) => one?.from === own && one.to === newKey.text);
    if (!handedOver && !isSignedText(index.head, index.signature, [own])) {
      throw refused(
        `its index is signed with the new key (${newKey.keyId}), which never took over from this one: are --key (the old) and --new the right way round?`,
      );
    }
    if (headOf(index) !== index.head) throw refused('its index was changed after it was signed; look who did that');
    const date = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const statement = rotationText({ rotate: index.app, from: own, to: newKey.text, revoke: options.revoke, date });
    const signature = from.sign(Buffer.from(statement), `app=${index.app} key=${newKey.keyId}`);
    let signed = 0;
    const releases = index.releases.map((entry) => {
      if (!secret || !isSignedText(entry.statement, entry.signature, [own])) return entry;
      signed += 1;
      const comment = `app=${index.app} version=${entry.version} channel=${entry.channel}`;
      return { ...entry, signature: secret.sign(Buffer.from(entry.statement), comment) };
    });
    const rotations = [...(index.rotations ?? []), { statement, signature }];
    const next = signIndex({ ...index, number: index.number + 1, date, releases, rotations }, secret ?? from);
    const text = `${JSON.stringify(next, null, 2)}\n`;
    readIndex(text, { source: `folder ${folder}`, app: index.app });
    writeDurably(join(folder, INDEX_FILE), text, 0o644);
    for (const entry of secret ? releases : []) {
      const file = join(folder, artifactPath(entry.version, 'statement.json.minisig'));
      if (entry.signature !== undefined) writeDurably(file, entry.signature, 0o644);
    }
    return { app: index.app, from: own, to: newKey.text, revoked: options.revoke, signed, number: next.number };
  } catch (error) {
    throw toFettleError(error, 'publish_refused', {});
  } finally {
    unlock();
  }
}

/** What was done, a line each, for the terminal. */
export function describeRotated(done: Rotated): string[] {
  return [
    `${done.app}: ${done.to} takes over from ${done.from}${done.revoked ? ', which counts for nothing from now on' : ''}.`,
    `Index number ${done.number}; ${done.signed} release(s) signed anew.`,
    'Copy the feed to its server. Devices that trust the old key take the new one when they next read it.',
    `New devices: keys: [${done.to}]`,
    ...(done.revoked ? [] : ['The old key still counts. When every device has read this: rotate again with --revoke.']),
  ];
}

/** The feed tells its app itself here. */
function readUnknown(folder: string, refused: (reason: string) => FettleError): Index {
  let text: string;
  try {
    text = readFileSync(join(folder, INDEX_FILE), 'utf8');
  } catch (error) {
    const missing = ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
    throw missing ? refused(`there is no ${INDEX_FILE} in ${folder}`) : toFettleError(error, 'publish_refused');
  }
  let app = '';
  try {
    app = String((JSON.parse(text) as { app?: unknown }).app);
  } catch {
    // Not JSON: reading it says so.
  }
  try {
    return readIndex(text, { source: `folder ${folder}`, app }).index;
  } catch (error) {
    // Of whoever reads a feed, that is about an address in a configuration.
    throw error instanceof FettleError ? refused(`${folder} is no feed: ${String(error.data.reason)}`) : error;
  }
}
