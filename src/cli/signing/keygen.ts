import { FettleError } from '../../domain/errors.ts';
import { generateMinisignKey } from '../../origin/minisign-secret.ts';
import { type KeyDeps, readPassword, writeKeyFiles } from './key-files.ts';

/** `fettle keygen`: a key that signs releases. */

export interface KeygenOptions extends KeyDeps {
  readonly out: string;
  readonly noPassword: boolean;
  readonly print: (line: string) => void;
}

export async function keygen(options: KeygenOptions): Promise<void> {
  const key = generateMinisignKey();
  const password = options.noPassword ? undefined : await newPassword(options);
  const files = await writeKeyFiles(options.out, key, password);
  for (const line of [
    `Made key ${key.keyId}.`,
    `  ${files.secret}  signs. Keep it off devices and servers, with a copy in a safe place: without it there are no more releases.`,
    `  ${files.public}  checks. It is no secret.`,
    'On each device, with the app (or `fettle:`):',
    `  keys: [${key.publicKey.text}]`,
    'Publish:',
    `  fettle publish VERSION FILE --app NAME --to FOLDER --key ${files.secret}`,
  ]) {
    options.print(line);
  }
}

async function newPassword(options: KeygenOptions): Promise<string> {
  const { file, variable, ask } = options.password;
  if (file === undefined && variable === undefined && !ask) {
    const reason = 'a new key needs a password, and there is no terminal to ask at';
    const advice = 'Give --password-file FILE, set FETTLE_KEY_PASSWORD, or say --no-password.';
    throw new FettleError('key_unusable', { data: { reason, advice } });
  }
  const password = await readPassword(options.password, 'Password for the new key: ');
  if (password === '')
    throw new FettleError('key_unusable', {
      data: { reason: 'the password is empty', advice: '--no-password makes a key without one.' },
    });
  if (file === undefined && variable === undefined && ask && (await ask('Once more: ')) !== password) {
    const data = { reason: 'the two passwords are not the same', advice: 'Nothing was written. Try again.' };
    throw new FettleError('key_unusable', { data });
  }
  return password;
}
