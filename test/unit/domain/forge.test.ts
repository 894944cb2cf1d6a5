import { expect, it } from 'vitest';
import { describeForge, mirrored, mirrorProblem, readGiteaRepo, readGithubRepo } from '../../../src/domain/forge.ts';

it.each([
  ['acme/robot', { repo: 'acme/robot' }],
  ['https://github.com/acme/robot.git', { repo: 'acme/robot' }],
  ['github.com/acme/robot/', { repo: 'acme/robot' }],
  ['https://ghe.corp/acme/robot', { problem: expect.stringMatching(/api: https:\/\/HOST\/api\/v3/) }],
  ['acme', { problem: expect.stringMatching(/OWNER\/REPO/) }],
  ['acme/..', { problem: expect.any(String) }],
  ['acme/robot/releases', { problem: expect.any(String) }],
  ['../robot', { problem: expect.any(String) }],
])('github %s', (text, expected) => expect(readGithubRepo(text)).toEqual(expected));

it.each([
  ['https://codeberg.org/acme/robot', { url: 'https://codeberg.org', repo: 'acme/robot' }],
  ['https://host.lab/git/acme/robot.git', { url: 'https://host.lab/git', repo: 'acme/robot' }],
  ['http://127.0.0.1:3000/acme/robot', { url: 'http://127.0.0.1:3000', repo: 'acme/robot' }],
  ['https://gitee.com/acme/robot', { problem: expect.stringMatching(/Gitee speaks another API/) }],
  ['https://github.com/acme/robot', { problem: expect.stringMatching(/github OWNER\/REPO/) }],
  ['http://host.lab/acme/robot', { problem: expect.stringMatching(/http is used to this machine/) }],
  ['https://me:secret@host.lab/acme/robot', { problem: expect.not.stringContaining('secret') }],
  ['https://host.lab/robot', { problem: expect.stringMatching(/expected `gitea/) }],
  ['https://host.lab/acme/robot?x=1', { problem: expect.any(String) }],
  ['acme/robot', { problem: expect.stringMatching(/gitea https:\/\/HOST/) }],
])('gitea %s', (text, expected) => expect(readGiteaRepo(text)).toEqual(expected));

it('shows a source as it is written', () => {
  expect(describeForge({ kind: 'github', repo: 'acme/robot', tags: 'v*' })).toBe('github acme/robot v*');
  expect(describeForge({ kind: 'gitea', url: 'https://host/git', repo: 'acme/robot' })).toBe(
    'gitea https://host/git/acme/robot',
  );
});

it('knows where a mirror has a file', () => {
  const url = new URL('https://github.com/acme/robot/releases/download/v1/a.tgz');
  expect(mirrored('https://mirror.example/', url)).toBe(`https://mirror.example/${url.href}`);
  expect(mirrored('https://mirror.example', url)).toBe(`https://mirror.example/${url.href}`);
  expect(mirrored('https://mirror.example/gh{path}', url)).toBe(
    'https://mirror.example/gh/acme/robot/releases/download/v1/a.tgz',
  );
  expect(mirrored('https://mirror.example/?of={url}', url)).toBe(`https://mirror.example/?of=${url.href}`);
  expect(mirrorProblem('https://mirror.example/{path}')).toBeUndefined();
  expect(mirrorProblem('https://mirror.example/{file}')).toMatch(/\{path\} or \{url\}/);
  expect(mirrorProblem('http://mirror.example/')).toMatch(/http is used/);
});
