import { describe, expect, it } from 'vitest';
import { addressProblem, followRedirect } from '../../../src/origin/address.ts';
import { feedAddress } from '../../../src/origin/feed.ts';
import { sourceKey } from '../../../src/origin/source-key.ts';

describe('addressProblem', () => {
  it.each(['https://x.org/f', 'http://127.0.0.1:8080/f', 'http://127.9.9.9/', 'http://localhost/f', 'http://[::1]:1/'])(
    '%s is used',
    (address) => expect(addressProblem(address)).toBeUndefined(),
  );
  it.each([
    'http://x.org/f',
    'http://127.0.0.1.evil.org/',
    'http://localhost.evil.org/',
    'http://10.0.0.1/',
    'ftp://x.org/',
    'file:///etc/passwd',
    'https://me:secret@x.org/',
    'nonsense',
  ])('%s is not', (address) => expect(addressProblem(address)).toBeTypeOf('string'));

  it('names no secret', () => expect(addressProblem('https://me:secret@x.org/?t=1')).not.toMatch(/secret|t=1/));
});

describe('followRedirect', () => {
  const far = new URL('https://x.org/a/b');
  it('resolves relative ones', () => expect(String(followRedirect(far, '../c'))).toBe('https://x.org/c'));
  it.each([
    ['to http', 'http://x.org/'],
    ['to this machine', 'https://127.0.0.1/'],
    ['to this machine by http', 'http://localhost:1/'],
    ['to nowhere', undefined],
    ['to a file', 'file:///etc/passwd'],
  ])('refuses %s', (_what, to) => expect(followRedirect(far, to)).toBeTypeOf('string'));
  it('lets this machine redirect to itself', () =>
    expect(followRedirect(new URL('http://127.0.0.1:1/'), 'http://127.0.0.1:2/')).toBeInstanceOf(URL));
});

describe('feedAddress', () => {
  it.each([
    ['https://x.org/f', 'https://x.org/f/index.json'],
    ['https://x.org/f/', 'https://x.org/f/index.json'],
    ['https://x.org', 'https://x.org/index.json'],
    ['https://x.org/f/index.json', 'https://x.org/f/index.json'],
    ['https://x.org/f/all.json', 'https://x.org/f/all.json'],
    ['https://x.org/f?sig=1#x', 'https://x.org/f/index.json?sig=1'],
  ])('index of %s is %s', (feed, index) => expect(feedAddress(feed, 'index.json').href).toBe(index));
  it('finds artifacts beside the index', () =>
    expect(feedAddress('https://x.org/f/all.json?sig=1', 'releases/1.0.0/a.tgz').href).toBe(
      'https://x.org/f/releases/1.0.0/a.tgz?sig=1',
    ));
});

describe('sourceKey', () => {
  it('is one for all apps of an npm package, and hides a query while telling two apart', () => {
    expect(sourceKey({ kind: 'npm', package: 'x' }, 'a')).toBe(sourceKey({ kind: 'npm', package: 'x' }, 'b'));
    const one = sourceKey({ kind: 'feed', url: 'https://x.org/f?sig=one' }, 'a');
    const two = sourceKey({ kind: 'feed', url: 'https://x.org/f?sig=two' }, 'a');
    expect(one).not.toBe(two);
    expect(one).not.toMatch(/sig/);
  });
});
