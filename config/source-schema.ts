import { z } from 'zod';
import { gitAddressProblem, gitRefProblem } from '../src/domain/git-address.ts';
import { httpUrl } from './words.ts';

/** Where releases come from: `npm NAME`, `folder PATH`, `feed URL`, `git URL [REF]`. */
export const source = z.string().transform((text, context) => {
  const [kind = '', ...rest] = text.trim().split(/\s+/);
  const value = rest.join(' ');
  if (kind === 'npm' && /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(value)) {
    return { kind: 'npm' as const, package: value };
  }
  if (kind === 'folder' && value !== '') return { kind: 'folder' as const, path: value };
  if (kind === 'feed' && httpUrl.safeParse(value).success) return { kind: 'feed' as const, url: value };
  if (kind === 'git' && rest.length > 0) {
    const [url = '', ref, more] = rest;
    // A path without a dot in front is one, too, as it is for `folder`.
    const address = /^[\w-][\w./-]*$/.test(url) && !url.startsWith('-') ? `./${url}` : url;
    const problem = gitAddressProblem(address) ?? (ref === undefined ? undefined : gitRefProblem(ref));
    if (problem === undefined && more === undefined) return { kind: 'git' as const, url: address, ref };
    context.addIssue({ code: 'custom', message: problem ?? 'expected `git URL` or `git URL REF`' });
    return z.NEVER;
  }
  context.addIssue({ code: 'custom', message: 'expected `npm PACKAGE`, `folder PATH`, `feed URL` or `git URL REF`' });
  return z.NEVER;
});
