import { describeSource } from '../domain/app.ts';
import { FettleError, systemCodeOf } from '../domain/errors.ts';
import { apiAddresses, type ForgeSource, GITHUB_API } from '../domain/forge.ts';
import { readTrimmed } from '../files/durable.ts';

/** The token that reads a repository. Read anew each time: it may be exchanged while Fettle runs. */

/**
 * @param base the address of the API that is asked. The token is for the first alone: others are fall-backs, which need
 *   not be the same party. The environment's is for GitHub's own API and for no other.
 * @returns `undefined` where none is to be sent
 * @throws {FettleError} `source_invalid` where the file can't be read, or is not one token
 */
export function tokenOf(
  deps: { readonly githubToken?: string | undefined },
  source: ForgeSource,
  base: string,
): string | undefined {
  if (apiAddresses(source)[0] !== base) return undefined;
  const { tokenFile } = source;
  if (tokenFile === undefined) {
    return source.kind === 'github' && base === GITHUB_API ? deps.githubToken || undefined : undefined;
  }
  const invalid = (reason: string, cause?: unknown) =>
    new FettleError('source_invalid', { data: { source: describeSource(source), reason, final: true }, cause });
  let token: string | undefined;
  try {
    token = readTrimmed(tokenFile);
  } catch (error) {
    throw invalid(`its tokenFile ${tokenFile} can't be read (${systemCodeOf(error) ?? 'unknown'})`, error);
  }
  if (token === undefined || token === '') throw invalid(`its tokenFile ${tokenFile} is not there, or empty`);
  if (!/^[\x21-\x7e]{1,500}$/.test(token))
    throw invalid(`its tokenFile ${tokenFile} has something else than one token`);
  return token;
}
