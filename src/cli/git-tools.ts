import type { Environment } from '../../config/environment.ts';
import { createGitOrigin, type GitOrigin } from '../origin/git.ts';
import { cleanNpmEnvironment } from '../origin/npm.ts';

/** The machine's git, ready to be asked. It may use the person's ssh agent and keys; it asks nobody for a password. */
export function gitTools(environment: Environment, folder: string): GitOrigin {
  const { all } = environment;
  const env = cleanNpmEnvironment(all);
  if (all.SSH_AUTH_SOCK) env.SSH_AUTH_SOCK = all.SSH_AUTH_SOCK;
  // curl, which git brings, does not read what OpenSSL reads.
  if (all.SSL_CERT_FILE) env.GIT_SSL_CAINFO = all.SSL_CERT_FILE;
  return createGitOrigin({ folder, env });
}
