import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createNpmSignatures, type SignedPackage } from '../../../src/origin/npm-signatures.ts';

/** The public key of registry.npmjs.org until 2025, and what it signed of two packages. */
const KEY = {
  keyid: 'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA',
  key: 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==',
  expires: '2025-01-29T00:00:00.000Z',
};
const signed = (name: string, version: string, integrity: string, sig: string): SignedPackage => ({
  ...{ name, version, integrity },
  signatures: [{ keyid: KEY.keyid, sig }],
  publishedAt: '2024-10-09T00:00:00.000Z',
});
const TOOL5 = signed(
  'tool5',
  '5.0.1',
  'sha512-gPClNFHEACDPrNPIY9nQ5CtgNzXLek1VKLkenI/RRKrrWSSyIVte0HloLzyQJFW0bXgFnv5TgtcUM+xHE7B6/w==',
  'MEYCIQDhX2SZFZyV3rBaQp/tH0NRk1YWw6rF2KrietBA6xDIFQIhANJcAYMSl+mvNefhpxjyApSUK/CXFEnCeUSEQf113OPI',
);
const DEMO = signed(
  'kms-demo',
  '1.0.0',
  'sha512-QqZ7VJ/8xPkS9s2IWB7Shj3qTJdcRyeXKbPQnsZjsPEwvutGv0EGeVchPcauoiDFJlGbZMFq5GDCurAGNSghJQ==',
  'MEUCIDrLNspFeU5NZ6d55ycVBZIMXnPJi/XnI1Y2dlJvK8P1AiEAnXjn1IOMUd+U7YfPH+FNjwfLq+jCwfH8uaxocq+mpPk=',
);

const folder = mkdtempSync(join(tmpdir(), 'fettle-npm-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { check } = createNpmSignatures({
  file: join(folder, 'keys.json'),
  fetch: async () => new Response(JSON.stringify({ keys: [KEY] })),
  now: () => 0,
});
const ask = (found: SignedPackage) =>
  check('https://registry.npmjs.org/', found, AbortSignal.timeout(5_000)).catch((error: Error) => error.message);

test.each([TOOL5, DEMO])('what npm signed of $name is good, and of nothing else', async (found) => {
  expect(await ask(found)).toBe(true);
  for (const other of [
    { ...found, name: 'other' },
    { ...found, version: '9.9.9' },
    { ...found, integrity: TOOL5 === found ? DEMO.integrity : TOOL5.integrity },
    { ...found, signatures: [{ keyid: KEY.keyid, sig: 'AAAA' }] },
    { ...found, signatures: [] },
    { ...found, publishedAt: '2026-01-01T00:00:00.000Z' },
  ]) {
    expect(await ask(other)).toContain('artifact_unverified');
  }
});
