import { existsSync } from 'node:fs';
import { addressProblem, hubFile, readHubIdentity } from '../../../agent/hub-identity.ts';
import type { FettleError } from '../../domain/errors.ts';
import { certificateFiles, readCertificate } from '../hub-certificate.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

const DAY_MS = 86_400_000;
/** A certificate of an authority is renewed a month before its end; two weeks before it, something is wrong. */
const SOON_MS = 14 * DAY_MS;

/** What lies between hub and devices elsewhere: the certificate, and the hub that this device belongs to. */
export const devices: Check = {
  title: 'Devices elsewhere',
  limitMs: 5_000,
  *look(facts) {
    yield* certificate(facts);
    yield* ownHub(facts);
  },
};

function* certificate({ config, configFile, layout, clock }: Facts): Generator<Finding> {
  const tls = config?.hub.tls;
  if (tls === undefined) return;
  const files = certificateFiles(tls, layout, configFile);
  if (tls === 'self-signed' && !existsSync(files.cert)) {
    yield note("The hub's certificate is made at its next start");
    return;
  }
  try {
    const { validTo, selfSigned } = readCertificate(files);
    const until = new Date(validTo).toISOString().slice(0, 10);
    const left = validTo - clock.now();
    const days = Math.floor(left / DAY_MS);
    // Who knows it by its pin does not look at its dates.
    if (selfSigned) yield ok(`The hub's certificate is known to devices by its fingerprint (${until})`);
    else if (left <= 0)
      yield wrong(`The hub's certificate ended on ${until}: no device connects`, `Renew ${files.cert}.`);
    else if (left < SOON_MS)
      yield wrong(
        `The hub's certificate ends in ${days} days (${until})`,
        `Renew ${files.cert}; the hub takes it by itself.`,
      );
    else yield ok(`The hub's certificate is good until ${until}`);
  } catch (error) {
    const { data } = error as FettleError;
    yield wrong(
      `The certificate ${String(data?.file ?? files.cert)} can't be used: ${String(data?.reason ?? error)}`,
      'Look at `hub.tls`: `self-signed`, or a file with the certificate and one with its key, PEM.',
    );
  }
}

function* ownHub({ config, layout }: Facts): Generator<Finding> {
  const allowInsecure = config?.allowInsecure === true;
  const file = hubFile(layout);
  if (existsSync(file)) {
    try {
      const known = readHubIdentity(layout, allowInsecure);
      if (known && addressProblem(known.address, false) === undefined)
        yield ok(`This device belongs to the hub at ${known.address}`);
      else if (known)
        yield note(
          `This device dials ${known.address} without TLS: anybody on the way can read what is said`,
          'Give the hub `hub.tls`, enroll the device again, and take `allowInsecure` out of its file.',
        );
    } catch (error) {
      const { data } = error as FettleError;
      yield wrong(`This device does not know its hub: ${file}: ${String(data?.reason ?? error)}`, 'Enroll it again.');
    }
  } else if (allowInsecure) {
    yield note('`allowInsecure` lets this device dial a hub without TLS', 'Take it out, unless it has to.');
  }
}
