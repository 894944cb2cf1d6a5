import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { makeFolder, writeDurably } from '../../files/durable.ts';
import { type PolicyDocument, readSignedPolicy } from '../../protocol/policy-document.ts';
import { readGiven } from './given-file.ts';

/** `fettle policy push`: hands a signed policy to the hub of this home, which carries it to the devices. */

/** @throws {FettleError} `bad_arguments` where it is none, or there is no hub here */
export function pushPolicy(layout: HomeLayout, file: string): { readonly about: PolicyDocument; readonly to: string } {
  if (!existsSync(layout.hub.db)) {
    throw new FettleError('bad_arguments', {
      data: { reason: `${layout.home} has no hub: run it on the hub's machine` },
    });
  }
  const text = readGiven(file);
  let about: PolicyDocument;
  try {
    about = readSignedPolicy(text).about;
  } catch (error) {
    const reason = `${file} is no signed policy: make one with \`fettle policy sign\``;
    throw new FettleError('bad_arguments', { data: { reason }, cause: error });
  }
  makeFolder(layout.hub.policies);
  // One of the same number is another word for the same devices or a mistake of who signs; the later is carried.
  const to = join(layout.hub.policies, `${about.number}.json`);
  writeDurably(to, text, 0o600);
  return { about, to };
}
