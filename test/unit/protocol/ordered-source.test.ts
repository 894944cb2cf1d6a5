import { expect, test } from 'vitest';
import type { Source } from '../../../src/domain/app.ts';
import { OrderedSource, orderedSource, readOrderedSource } from '../../../src/protocol/ordered-source.ts';

const there = (source: Source) => {
  const told = orderedSource(source);
  const read = told && readOrderedSource(OrderedSource.parse(JSON.parse(JSON.stringify(told))));
  return read && 'source' in read ? read.source : read;
};

test.each<Source>([
  { kind: 'feed', url: 'https://releases.example/robot' },
  { kind: 'github', repo: 'acme/robot', tags: 'v*' },
  {
    kind: 'gitea',
    url: 'https://git.example/forge',
    repo: 'acme/robot',
    tags: undefined,
    api: ['https://git.example/forge/api/v1'],
    mirrors: ['https://mirror.example/{url}'],
    assets: { 'linux-x64': 'robot-*-x86_64.tar.gz' },
  },
])('what a hub says of $kind is what a device reads', (source) => {
  expect(there(source)).toEqual(source);
});

test('nothing secret is said', () => {
  expect(orderedSource({ kind: 'feed', url: 'https://bucket.example/robot?signature=s3cret' })).toBeUndefined();
  const github = { kind: 'github', repo: 'acme/robot' } as const;
  const told = orderedSource({
    ...github,
    tokenFile: '/etc/fettle/token',
    mirrors: ['https://mirror.example/{path}?key=s3cret', 'https://open.example'],
  });
  expect(told).toEqual({ kind: 'github', address: 'acme/robot', mirrors: ['https://open.example'] });
  expect(orderedSource({ ...github, api: ['https://api.example?key=s3cret'] })).toBeUndefined();
});

test('what no key of minisign signs is not said', () => {
  for (const source of [
    { kind: 'npm', package: 'robot' },
    { kind: 'folder', path: '/srv/feed' },
    { kind: 'git', url: 'https://git.example/robot' },
  ] satisfies Source[]) {
    expect(orderedSource(source)).toBeUndefined();
  }
  expect(orderedSource(undefined)).toBeUndefined();
});

test.each<[string, OrderedSource, RegExp]>([
  ['a scheme', { kind: 'feed', address: 'file:///etc/passwd' }, /only https/],
  ['http', { kind: 'feed', address: 'http://releases.example/robot' }, /https/],
  ['no address', { kind: 'feed', address: 'robot' }, /not an address/],
  ['a query', { kind: 'feed', address: 'https://releases.example/robot?x' }, /query/],
  ['another kind', { kind: 'git', address: 'https://git.example/robot' }, /kind git/],
  ['tags', { kind: 'github', address: 'acme/robot', tags: '--upload-pack=x' }, /tag/],
  ['an API', { kind: 'github', address: 'acme/robot', api: ['http://192.0.2.1'] }, /https/],
  ['a mirror', { kind: 'github', address: 'acme/robot', mirrors: ['https://m.example/{host}'] }, /\{path\}/],
  ['a repository', { kind: 'gitea', address: 'https://git.example/../etc' }, /gitea/],
])('%s that a file may not name either is refused', (_what, ordered, problem) => {
  const read = readOrderedSource(ordered);
  expect('problem' in read ? read.problem : 'read').toMatch(problem);
});
