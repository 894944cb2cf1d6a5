import { z } from 'zod';

/**
 * A device's whole agent.yaml, signed by the key that the device's present file names (`policyKey`): the only thing from
 * afar that may replace it. The hub carries it, and is not believed.
 */

export const POLICY_FORMAT = 'fettle-policy/1';

/** What is signed: this document's exact text. Unknown keys are refused: one that is not understood may have been a bound. */
export const PolicyDocument = z.strictObject({
  format: z.literal(POLICY_FORMAT),
  /** Ids or names of devices, or all that trust the key. */
  for: z.union([z.literal('all'), z.array(z.string().min(1).max(80)).min(1).max(1_000)]),
  /** Rises: a device takes none that is not above the last. */
  number: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
  date: z.iso.datetime(),
  expires: z.iso.datetime(),
  /** The new file names this key, or none (`null`), and that is meant. Absent: it names the same as before. */
  policyKey: z.string().max(100).nullable().optional(),
  /** Apps that are installed and that the new file does not name: that is meant, too. */
  letGo: z.array(z.string().max(40)).max(100).optional(),
  /** The text of agent.yaml. */
  file: z.string().max(100_000),
});
export type PolicyDocument = z.infer<typeof PolicyDocument>;

/** A file that is handed to a hub: the document's text, and a minisign signature of it. */
export const SignedPolicy = z.strictObject({
  format: z.literal(`${POLICY_FORMAT}-signed`),
  document: z.string().max(120_000),
  signature: z.string().max(10_000),
});
export type SignedPolicy = z.infer<typeof SignedPolicy>;

/** @throws {Error} what zod or JSON says */
export function readSignedPolicy(text: string): SignedPolicy & { readonly about: PolicyDocument } {
  const signed = SignedPolicy.parse(JSON.parse(text));
  return { ...signed, about: PolicyDocument.parse(JSON.parse(signed.document)) };
}

/** Is it meant for a device? */
export function isFor(
  { for: wanted }: Pick<PolicyDocument, 'for'>,
  device: { readonly id: string; readonly name: string },
) {
  return wanted === 'all' || wanted.includes(device.id) || wanted.includes(device.name);
}
