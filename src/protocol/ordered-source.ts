import { z } from 'zod';
import type { Source } from '../domain/app.ts';
import { type ForgeOptions, hostProblem, mirrorProblem, readGiteaRepo, readGithubRepo } from '../domain/forge.ts';
import { gitRefProblem } from '../domain/git-address.ts';

/**
 * Where a hub reads an app's releases, as its order says it to devices whose own file names keys and no source. It says
 * where to look and nothing else: what is found there must be signed by a key of the device's file. Nothing in it is
 * secret; a source that can't be read without a secret is not told.
 */
export const OrderedSource = z.object({
  /** `feed`, `github`, `gitea`; what another kind is, is for a newer agent to know. */
  kind: z.string().max(20),
  /** What stands behind the kind in configuration. */
  address: z.string().max(2_000),
  /** Of `github` and `gitea`, as configuration has them. */
  tags: z.string().max(200).optional(),
  api: z.array(z.string().max(500)).max(10).optional(),
  mirrors: z.array(z.string().max(500)).max(10).optional(),
  assets: z.record(z.string().max(40), z.string().max(200)).optional(),
});
export type OrderedSource = z.infer<typeof OrderedSource>;

/** `undefined` for a source that has no signatures of this kind, or whose address has a secret in it. */
export function orderedSource(source: Source | undefined): OrderedSource | undefined {
  switch (source?.kind) {
    case 'feed': {
      return isOpen(source.url) ? { kind: 'feed', address: source.url } : undefined;
    }
    case 'github':
    case 'gitea': {
      const { tags, api, assets } = source;
      if (api?.some((address) => !isOpen(address))) return undefined;
      // Without a mirror the device asks the origin.
      const mirrors = source.mirrors?.filter((mirror) => isOpen(mirror.replace(/\{\w*\}/g, '')));
      return {
        kind: source.kind,
        address: source.kind === 'github' ? source.repo : `${source.url}/${source.repo}`,
        ...(tags === undefined ? {} : { tags }),
        ...(api === undefined ? {} : { api: [...api] }),
        ...(mirrors === undefined ? {} : { mirrors: [...mirrors] }),
        ...(assets === undefined ? {} : { assets: { ...assets } }),
      };
    }
    default:
      return undefined;
  }
}

/** Has it no part that is often a secret? */
function isOpen(address: string): boolean {
  const { username, password, search, hash } = new URL(address);
  return username + password + search + hash === '';
}

/** The source that an order names, held to the rules for a source in a file; or what is wrong with it, in words. */
export function readOrderedSource(
  ordered: OrderedSource,
): { readonly source: Source; readonly addresses: readonly string[] } | { readonly problem: string } {
  const { kind, address, tags, api = [], mirrors = [], assets } = ordered;
  if (kind === 'feed') {
    const problem = hostProblem(address);
    if (problem !== undefined) return { problem };
    const { search, hash } = new URL(address);
    if (search !== '' || hash !== '') return { problem: 'an address with a query is not taken from an order' };
    return { source: { kind, url: address }, addresses: [address] };
  }
  if (kind !== 'github' && kind !== 'gitea')
    return { problem: `a source of the kind ${kind} is not taken from an order` };
  const problem =
    (tags === undefined ? undefined : gitRefProblem(tags)) ??
    api.map(hostProblem).find((one) => one !== undefined) ??
    mirrors.map(mirrorProblem).find((one) => one !== undefined);
  if (problem !== undefined) return { problem };
  const more: Omit<ForgeOptions, 'repo'> = {
    tags,
    ...(api.length > 0 ? { api } : {}),
    ...(mirrors.length > 0 ? { mirrors } : {}),
    ...(assets === undefined ? {} : { assets }),
  };
  const places = [...api, ...mirrors.map((mirror) => mirror.replace(/\{\w*\}/g, ''))];
  if (kind === 'github') {
    const found = readGithubRepo(address);
    return 'problem' in found ? found : { source: { kind, ...found, ...more }, addresses: places };
  }
  const found = readGiteaRepo(address);
  return 'problem' in found ? found : { source: { kind, ...found, ...more }, addresses: [found.url, ...places] };
}
