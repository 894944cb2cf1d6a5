import { describeForge, type ForgeSource } from './forge.ts';
import { showGitAddress } from './git-address.ts';

/** Names of apps and devices, and where an app's releases come from. Pure. */

/** Reserved: they mean something else in a command. `hub` and `agent` are apps, but not ones a person may define. */
export const RESERVED_NAMES = ['on', 'all', 'hub', 'agent'] as const;

/** Fettle's own two apps. They are updated like any other, from releases of one package. */
export const SELF_APPS = ['hub', 'agent'] as const;
export type SelfApp = (typeof SELF_APPS)[number];

/** Is this Fettle itself? */
export function isSelf(app: string): app is SelfApp {
  return (SELF_APPS as readonly string[]).includes(app);
}

/** The name under which a source lists an app's releases: hub and agent are one package, `fettle`. */
export function releasedAs(app: string): string {
  return isSelf(app) ? 'fettle' : app;
}

/** Letters, digits, `-`, `_`; starts with a letter; at most 40. Safe as a folder name and in every chat. */
export const NAME_PATTERN = /^[a-z][a-z0-9_-]{0,39}$/;

/** Where releases come from. `spec` is what stands behind the kind in the configuration (`npm sirv-cli`). */
export type Source =
  | { readonly kind: 'npm'; readonly package: string }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'feed'; readonly url: string }
  /** `ref`: a branch, a tag, or a pattern of tags (`v*`). Without: tags that are versions, else the default branch. */
  | { readonly kind: 'git'; readonly url: string; readonly ref?: string | undefined }
  | ForgeSource;

/** As configuration writes it. Shown to people; a URL's query and credentials are left out. */
export function describeSource(source: Source): string {
  switch (source.kind) {
    case 'npm':
      return `npm ${source.package}`;
    case 'folder':
      return `folder ${source.path}`;
    case 'feed': {
      const url = new URL(source.url);
      return `feed ${url.origin}${url.pathname}`;
    }
    case 'git':
      return `git ${showGitAddress(source.url)}${source.ref === undefined ? '' : ` ${source.ref}`}`;
    case 'github':
    case 'gitea':
      return describeForge(source);
  }
}

/** Who may do what. Each role includes the ones before it. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Does `has` include what `needed` allows? */
export function roleAllows(has: Role, needed: Role): boolean {
  return ROLES.indexOf(has) >= ROLES.indexOf(needed);
}
