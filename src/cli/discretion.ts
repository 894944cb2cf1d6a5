import { type KnownSecretsOptions, readKnownSecrets } from '../../config/known-secrets.ts';
import { type RedactOptions, type Redactor, redactorOf } from '../domain/redact.ts';

/** How often files with secrets are looked at, at the most. Milliseconds. */
const LOOK_MS = 1_000;

/**
 * The redactor of a process: what it hides is what the machine's files say is secret, as they are now.
 * @param of homes and what stays; see {@link RedactOptions}
 */
export function createDiscretion(
  options: KnownSecretsOptions,
  of: RedactOptions & { readonly monotonic?: () => number } = {},
): Redactor {
  const { monotonic = () => performance.now(), secrets = [], ...rest } = of;
  const homes = [options.layout.home, options.userHome];
  const redactor = () => {
    const known = readKnownSecrets(options);
    return { known, made: redactorOf({ homes, ...rest, secrets: [...secrets, ...known.values] }) };
  };
  let { known, made } = redactor();
  let lookedAt = monotonic();
  const current = () => {
    if (monotonic() - lookedAt >= LOOK_MS) {
      if (known.stale()) ({ known, made } = redactor());
      lookedAt = monotonic();
    }
    return made;
  };
  return {
    redact: (text) => current().redact(text),
    find: (text) => current().find(text),
    get longest() {
      return current().longest;
    },
  };
}

/** A process's log is its standard error. */
export function writeLog(line: string): void {
  process.stderr.write(line);
}
