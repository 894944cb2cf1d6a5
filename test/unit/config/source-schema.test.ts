import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ConfigError, parseConfig } from '../../../config/load.ts';

/** `source:` of GitHub and Gitea, as people write it. */

const parse = (source: string) =>
  parseConfig(`apps:\n  robot:\n    run: ./robot\n    source: ${source}\n`, '/etc/fettle.yaml').apps.robot?.source;
const problem = (source: string) => {
  try {
    parse(source);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ key, expected }) => `${key}: ${expected}`).join('\n');
  }
  throw new Error('was understood');
};

it('is a line', () => {
  expect(parse('github acme/robot')).toEqual({ kind: 'github', repo: 'acme/robot' });
  expect(parse('github acme/robot robot-v*')).toEqual({ kind: 'github', repo: 'acme/robot', tags: 'robot-v*' });
  expect(parse('gitea https://codeberg.org/acme/robot')).toEqual({
    kind: 'gitea',
    url: 'https://codeberg.org',
    repo: 'acme/robot',
  });
});

it('is a map; a token file starts at the configuration', () => {
  expect(
    parse(
      "{github: acme/robot, api: 'https://ghe.corp/api/v3', mirrors: ['https://m.example/', 'https://n.example{path}'], tokenFile: token, assets: {linux-x64: 'robot-*-x64.tgz', any: all.zip}, tags: 'v*'}",
    ),
  ).toEqual({
    kind: 'github',
    repo: 'acme/robot',
    api: ['https://ghe.corp/api/v3'],
    mirrors: ['https://m.example/', 'https://n.example{path}'],
    tokenFile: join('/etc', 'token'),
    assets: { 'linux-x64': 'robot-*-x64.tgz', any: 'all.zip' },
    tags: 'v*',
  });
  expect(parse("{gitea: 'https://codeberg.org/acme/robot'}")).toMatchObject({ kind: 'gitea', repo: 'acme/robot' });
});

it.each([
  ['github robot', /source: expected `github OWNER\/REPO`/],
  ['github acme/robot main', /pattern of tags with one \*/],
  ['github acme/robot v* x', /github REPOSITORY TAGS/],
  ['gitea https://gitee.com/acme/robot', /Gitee speaks another API than Gitea/],
  ['gitlab acme/robot', /expected `npm PACKAGE`.*`github OWNER\/REPO`/],
  ['{github: robot}', /source\.github: expected `github OWNER\/REPO`/],
  [
    '{github: acme/robot, mirror: x}',
    /mirror: no such key here; there are: github, tags, api, mirrors, tokenFile, assets/,
  ],
  ["{github: acme/robot, api: 'http://ghe.corp'}", /http is used to this machine itself only/],
  ["{github: acme/robot, mirrors: ['https://m.example/{x}']}", /\{path\} or \{url\}/],
  ['{github: acme/robot, assets: {}}', /expected a platform/],
  ['{github: acme/robot, assets: {Linux: a}}', /expected a platform such as linux-x64/],
  ['{github: acme/robot, assets: {linux-x64: a/b}}', /pattern of a file's name/],
  ['7', /source: /],
])('refuses %s', (source, expected) => expect(problem(source)).toMatch(expected));
