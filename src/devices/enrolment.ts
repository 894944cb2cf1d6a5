import { createPublicKey, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Devices } from '../commands/index.ts';
import { deviceNameOf, freeName, isDeviceName, type Labels } from '../domain/device.ts';
import { FettleError } from '../domain/errors.ts';
import { addAudit } from '../store/audit.ts';
import { addDeviceKey, type DeviceKey, findByPublicKey, listDeviceKeys } from '../store/device-keys.ts';
import { joinDevice } from '../store/devices.ts';
import { findEnrolToken, judgeToken, makeEnrolToken, spendToken } from '../store/enrol-tokens.ts';
import { feedNumbers } from '../store/releases.ts';
import type { Database } from '../store/schema.ts';
import { type DevicesWork, isTakenIn } from './work.ts';

/** What a device says when it joins. */
export const JoinRequest = z.object({
  token: z.string().min(1).max(100),
  /** SPKI, PEM. */
  publicKey: z.string().min(1).max(1_000),
  machine: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  hostname: z.string().max(255),
  platform: z.string().regex(/^[a-z0-9]{1,20}-[a-z0-9_]{1,20}$/),
});
export type JoinRequest = z.infer<typeof JoinRequest>;

/** What it is told. Nothing of it is secret. */
export interface Joined {
  readonly device: string;
  readonly name: string;
  readonly hubKey: string;
  readonly address: string;
  readonly certificate?: string | undefined;
  /** The highest number of each feed's index that the hub has seen: an older one is not taken from the start. */
  readonly seen: Readonly<Record<string, number>>;
}

export interface Enrolment extends Pick<Devices, 'invite'> {
  /**
   * Takes a device in. The token is spent with the key's row, in one transaction; the same key with the same token gets
   * the same answer, so that a device that was cut off asks again.
   *
   * @throws {FettleError} `enroll_refused {why}` · `device_revoked` · `device_cloned`
   */
  join(request: JoinRequest): Promise<Joined>;
  /** May whoever has this fetch the bundle? Also with a token that is spent: it may have been cut off behind that. */
  mayFetch(token: string): Promise<boolean>;
}

/** The Ed25519 key, as it is always written. @throws {FettleError} `enroll_refused` */
function canonicalKey(text: string): string {
  try {
    const key = createPublicKey(text);
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
    return key.export({ type: 'spki', format: 'pem' }).toString();
  } catch (cause) {
    throw new FettleError('enroll_refused', { data: { why: 'key' }, cause });
  }
}

export function createEnrolment(work: DevicesWork): Enrolment {
  const { db, random } = work;

  async function answer(key: DeviceKey): Promise<Joined> {
    const { address, certificate } = work.reach();
    const seen = await feedNumbers(db);
    const pin = certificate === undefined ? {} : { certificate };
    return { device: key.device, name: key.name, hubKey: work.hubKey(), address, ...pin, seen };
  }

  async function join(trx: Kysely<Database>, request: JoinRequest, now: number): Promise<DeviceKey> {
    const publicKey = canonicalKey(request.publicKey);
    const token = await findEnrolToken(trx, request.token);
    const known = await findByPublicKey(trx, publicKey);
    const verdict = judgeToken(token, now);
    // Only who has a token learns anything about a key.
    if (!token || verdict === 'wrong') throw new FettleError('enroll_refused', { data: { why: 'wrong' } });
    if (known) {
      if (known.state === 'revoked') throw new FettleError('device_revoked', { data: { device: known.name } });
      if (known.state === 'held') throw new FettleError('device_cloned', { data: { device: known.name } });
      if (known.token === token.seq || verdict === 'good') return known;
      throw new FettleError('enroll_refused', { data: { why: verdict } });
    }
    if (verdict !== 'good') throw new FettleError('enroll_refused', { data: { why: verdict } });
    const device = `d-${randomUUID()}`;
    const name = freeName(token.name ?? deviceNameOf(request.hostname), isTakenIn(await listDeviceKeys(trx)));
    await addDeviceKey(trx, {
      device,
      public_key: publicKey,
      machine: request.machine ?? null,
      name,
      labels: JSON.parse(token.labels) as Labels,
      hostname: request.hostname,
      platform: request.platform,
      local: false,
      token: token.seq,
      enrolled_at: now,
      enrolled_by: token.made_by,
      enrolled_by_name: token.made_by_name,
    });
    await joinDevice(trx, { id: device, name, platform: request.platform }, now);
    await spendToken(trx, token);
    const who = { at: now, by: token.made_by, byName: token.made_by_name };
    await addAudit(trx, { ...who, action: 'device-enrol', target: name, after: device });
    const news = { what: 'joined', name, platform: request.platform, by: token.made_by_name } as const;
    await work.tell(trx, `device/joined/${device}`, news, now);
    work.log(`${name} (${device}) joined`);
    const made = await findByPublicKey(trx, publicKey);
    if (!made) throw new FettleError('internal');
    return made;
  }

  return {
    async invite({ name, count, forMs, labels }, asker, direct) {
      if (!direct) throw new FettleError('enroll_refused', { data: { why: 'direct' } });
      if (name !== undefined && !isDeviceName(name))
        throw new FettleError('bad_device_name', { data: { name: name.slice(0, 60) } });
      const { token, expiresAt } = await work.change(async (trx, now) => {
        if (name !== undefined && isTakenIn(await listDeviceKeys(trx))(name))
          throw new FettleError('device_name_taken', { data: { name } });
        const by = { by: asker.who.id, byName: asker.who.name, eventId: asker.eventId };
        const made = await makeEnrolToken(trx, { name, labels, uses: count, forMs, ...by }, { random, now });
        const after = `${count} until ${new Date(made.expiresAt).toISOString()}`;
        await addAudit(trx, work.entry(asker, now, { action: 'device-invite', target: name, after }));
        return made;
      });
      return { ...lineOf(work.reach(), token), expiresAt };
    },
    async join(request) {
      const key = await work.change((trx, now) => join(trx, request, now));
      return answer(key);
    },
    async mayFetch(token) {
      const found = await findEnrolToken(db, token);
      const verdict = judgeToken(found, work.clock.now());
      // One that joined in time and was cut off goes on later.
      return verdict === 'good' || verdict === 'used' || (verdict === 'late' && (found?.used ?? 0) > 0);
    },
  };
}

/** The one line that is pasted on a device: it fetches the script over a connection that is known to be the hub's. */
function lineOf(
  { address, certificate }: ReturnType<DevicesWork['reach']>,
  token: string,
): { readonly line: string; readonly loopbackOnly: boolean } {
  const { hostname } = new URL(address);
  const url = address.replace(/^ws/, 'http').replace(/\/agent$/, '/enroll');
  // The pin takes the place of authorities: -k alone would trust anybody.
  const fetch =
    certificate === undefined
      ? `curl -fsS ${url}`
      : `curl -fsSk --pinnedpubkey ${certificate.replace('/', '//')} ${url}`;
  const loopbackOnly = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
  return { line: `${fetch} | sudo sh -s -- ${token}`, loopbackOnly };
}
