import { z } from 'zod';
import type { Source } from '../src/domain/app.ts';
import { hostProblem, mirrorProblem, readGiteaRepo, readGithubRepo } from '../src/domain/forge.ts';
import { gitAddressProblem, gitRefProblem } from '../src/domain/git-address.ts';
import { anyPath, httpUrl } from './words.ts';

/** How `source:` is written: in one line, or for GitHub and Gitea as a map. */

const KINDS =
  'expected `npm PACKAGE`, `folder PATH`, `feed URL`, `git URL REF`, `github OWNER/REPO` or `gitea https://HOST/OWNER/REPO`';

/** `npm NAME`, `folder PATH`, `feed URL`, `git URL [REF]`, `github OWNER/REPO [TAGS]`, `gitea URL [TAGS]`. */
const line = z.string().transform((text, context): Source => {
  const wrong = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const [kind = '', ...rest] = text.trim().split(/\s+/);
  const value = rest.join(' ');
  const [first = '', second, more] = rest;
  if (kind === 'npm' && /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(value)) {
    return { kind: 'npm', package: value };
  }
  if (kind === 'folder' && value !== '') return { kind: 'folder', path: value };
  if (kind === 'feed' && httpUrl.safeParse(value).success) return { kind: 'feed', url: value };
  if (kind === 'git' && rest.length > 0) {
    // A path without a dot in front is one, too, as it is for `folder`.
    const address = /^[\w-][\w./-]*$/.test(first) && !first.startsWith('-') ? `./${first}` : first;
    const problem = gitAddressProblem(address) ?? (second === undefined ? undefined : gitRefProblem(second));
    if (problem === undefined && more === undefined) return { kind: 'git', url: address, ref: second };
    return wrong(problem ?? 'expected `git URL` or `git URL REF`');
  }
  if (kind === 'github' || kind === 'gitea') {
    const problem = more === undefined ? tagsProblem(second) : `expected \`${kind} REPOSITORY TAGS\``;
    if (problem !== undefined) return wrong(problem);
    if (kind === 'github') {
      const found = readGithubRepo(first);
      return 'problem' in found ? wrong(found.problem) : { kind, ...found, tags: second };
    }
    const found = readGiteaRepo(first);
    return 'problem' in found ? wrong(found.problem) : { kind, ...found, tags: second };
  }
  return wrong(KINDS);
});

/** The two maps, made where one is written: an agent without one carries nothing of them. */
function maps() {
  const tags = z.string().superRefine((text, context) => {
    const problem = tagsProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

  const address = z.string().superRefine((text, context) => {
    const problem = hostProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `expected https://HOST/PATH: ${problem}` });
  });

  const mirror = z.string().superRefine((text, context) => {
    const problem = mirrorProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

  /** One, or several. */
  const list = <T extends z.ZodType<string>>(of: T) =>
    z
      .union([of, z.array(of).min(1)], {
        error: (issue) =>
          (issue.code === 'invalid_union' && issue.errors[Array.isArray(issue.input) ? 1 : 0]?.[0]?.message) ||
          'expected an address, or a list of them',
      })
      .transform((value): readonly string[] => (typeof value === 'string' ? [value] : (value as readonly string[])));

  const options = {
    tags: tags.optional().describe('Which tags are releases, as a pattern (`v*`). All that are versions unless given.'),
    api: list(address)
      .optional()
      .describe(
        'Address of the API, such as `https://HOST/api/v3`; several are asked one after the other where one does not answer. What they say is believed; the token goes to the first alone.',
      ),
    mirrors: list(mirror)
      .optional()
      .describe(
        'Where files may be downloaded too, asked before the origin. The whole address of a file comes behind it, or in the place of `{url}`; `{path}` is the part behind the host.',
      ),
    tokenFile: anyPath.optional().describe('A file with a token that may read the repository. Relative to this file.'),
    assets: z
      .record(
        z.string().regex(/^(any|[a-z0-9]{2,20}-[a-z0-9_]{2,20})$/, 'expected a platform such as linux-x64, or any'),
        z.string().regex(/^[^/\s][^/]{0,199}$/, "expected a pattern of a file's name, such as robot-*-x86_64.tar.gz"),
      )
      .refine((all) => Object.keys(all).length > 0, 'expected a platform, such as linux-x64')
      .optional()
      .describe('Which file is for which platform, by a pattern of its name. Told by names unless given.'),
  };

  const github = z
    .strictObject({ github: z.string().describe('The repository: OWNER/REPO.'), ...options })
    .transform(({ github: text, ...more }, context): Source => {
      const found = readGithubRepo(text);
      if (!('problem' in found)) return { kind: 'github', ...found, ...more };
      context.addIssue({ code: 'custom', path: ['github'], message: found.problem });
      return z.NEVER;
    });

  const gitea = z
    .strictObject({ gitea: z.string().describe("The repository's address: https://HOST/OWNER/REPO."), ...options })
    .transform(({ gitea: text, ...more }, context): Source => {
      const found = readGiteaRepo(text);
      if (!('problem' in found)) return { kind: 'gitea', ...found, ...more };
      context.addIssue({ code: 'custom', path: ['gitea'], message: found.problem });
      return z.NEVER;
    });

  return { github, gitea };
}

/** Where releases come from. */
export const source = z.union([line, z.lazy(() => maps().github), z.lazy(() => maps().gitea)], {
  error: (issue) => {
    if (issue.code !== 'invalid_union' || typeof issue.input !== 'string') return `${KINDS}, or a map of these two`;
    return issue.errors[0]?.[0]?.message ?? KINDS;
  },
});

function tagsProblem(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const problem = gitRefProblem(text);
  if (problem === undefined && text.split('*').length === 2) return undefined;
  return 'expected a pattern of tags with one *, such as v* or robot-v*';
}
