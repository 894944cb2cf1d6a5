import { generateMinisignKey } from '../../src/origin/minisign-secret.ts';

/** Signs what tests publish; `RELEASE_KEYS` is what a device's file says of it. */
export const RELEASE_KEY = generateMinisignKey();
export const RELEASE_KEYS = `keys: [${RELEASE_KEY.publicKey.text}]`;
