import { describe, expect, it } from 'vitest';
import { FettleError } from '../../../src/domain/errors.ts';
import { archiveEnding, hexSha256, readIndex, statementDigest } from '../../../src/origin/feed-format.ts';

const expected = { source: 'feed https://x/f', app: 'site' };

/** A sound index with one release; each test breaks one thing. */
function sound() {
  const statement = {
    app: 'site',
    version: '1.1.0',
    channel: 'stable',
    notes: hexSha256('Faster.'),
    artifacts: { any: { file: 'site-1.1.0.tgz', sha256: 'a'.repeat(64), size: 10 } },
  };
  const index = {
    format: 'fettle-feed/1',
    app: 'site',
    number: 3,
    date: '2026-11-21T08:00:00Z',
    expires: '2027-02-19T08:00:00Z',
    channels: { stable: '1.1.0' } as Record<string, string>,
    releases: [
      { version: '1.1.0', channel: 'stable', date: '2026-11-21T08:00:00Z', notes: 'Faster.', statement: '' },
    ] as Record<string, unknown>[],
  };
  return { statement, index };
}

function text({ statement, index }: ReturnType<typeof sound>): string {
  const [first, ...more] = index.releases;
  return JSON.stringify({ ...index, releases: [{ ...first, statement: JSON.stringify(statement) }, ...more] });
}

function reasonOf(broken: string): string {
  try {
    readIndex(broken, expected);
  } catch (error) {
    // A statement under a false name is no mistake in an address.
    const code = /the index disagree about/.test(String(error)) ? 'artifact_unverified' : 'source_invalid';
    if (error instanceof FettleError && error.code === code) return String(error.data.reason);
    throw error;
  }
  throw new Error('was accepted');
}

describe('readIndex', () => {
  it('reads a sound index into an offer whose digest is that of the statement text', () => {
    const made = sound();
    const { offer, index } = readIndex(text(made), expected);
    expect(index.number).toBe(3);
    expect(offer).toEqual({
      channels: { stable: '1.1.0' },
      releases: [
        {
          version: '1.1.0',
          channel: 'stable',
          digest: statementDigest(JSON.stringify(made.statement)),
          publishedAt: Date.parse('2026-11-21T08:00:00Z'),
          notes: 'Faster.',
          size: 10,
          artifacts: [{ platform: 'any', path: 'releases/1.1.0/site-1.1.0.tgz', sha256: 'a'.repeat(64), size: 10 }],
        },
      ],
    });
  });

  it('passes over keys that it does not know, so that a newer publisher can add some', () => {
    const made = sound();
    Object.assign(made.index, { later: true });
    Object.assign(made.statement, { later: { deep: 1 } });
    expect(readIndex(text(made), expected).offer.releases).toHaveLength(1);
  });

  it.each([
    ['a web page', () => '<!doctype html><p>Sign in', /web page/],
    ['no JSON', () => '{"format": ', /not JSON/],
    ['JSON of something else', () => '{"name":"x"}', /not that of a release feed/],
    ['null', () => 'null', /not that of a release feed/],
    [
      'another major format',
      () => text(change((s) => (s.index.format = 'fettle-feed/2'))),
      /fettle-feed\/2.*update Fettle/,
    ],
    ['another app', () => text(change((s) => (s.index.app = 'shop'))), /a feed of shop, not of site/],
    ['a missing number', () => text(change((s) => Reflect.deleteProperty(s.index, 'number'))), /wrong at number/],
    ['a channel that points nowhere', () => text(change((s) => (s.index.channels.stable = '9.9.9'))), /9\.9\.9/],
    ['a statement of another app', () => text(change((s) => (s.statement.app = 'shop'))), /disagree about its app/],
    ['a statement of another version', () => text(change((s) => (s.statement.version = '9.9.9'))), /about its version/],
    ['a statement of another channel', () => text(change((s) => (s.statement.channel = 'beta'))), /about its channel/],
    [
      'changed notes',
      () => text(change((s) => Object.assign(s.index.releases[0] ?? {}, { notes: 'Safe!' }))),
      /about its notes/,
    ],
    [
      'no artifacts',
      () => text(change((s) => Reflect.deleteProperty(s.statement.artifacts, 'any'))),
      /at least one artifact/,
    ],
    [
      'a path that leaves the folder',
      () => text(change((s) => (s.statement.artifacts.any.file = '../../etc/passwd.tgz'))),
      /wrong at artifacts\.any\.file/,
    ],
    [
      'an absolute path',
      () => text(change((s) => (s.statement.artifacts.any.file = '/etc/passwd.tgz'))),
      /wrong at artifacts/,
    ],
    [
      'a version that is a path',
      () => text(change((s) => Object.assign(s.index.releases[0] ?? {}, { version: '../..' }))),
      /wrong at releases\.0\.version/,
    ],
    ['a digest that is none', () => text(change((s) => (s.statement.artifacts.any.sha256 = 'abc'))), /lower-case hex/],
  ])('refuses %s', (_what, make, reason) => {
    expect(reasonOf(make())).toMatch(reason);
  });

  it('refuses a version that is there twice', () => {
    const made = sound();
    const twice = JSON.parse(text(made)) as { releases: unknown[] };
    twice.releases.push(twice.releases[0]);
    expect(reasonOf(JSON.stringify(twice))).toMatch(/1\.1\.0 twice/);
  });
});

function change(how: (made: ReturnType<typeof sound>) => unknown): ReturnType<typeof sound> {
  const made = sound();
  how(made);
  return made;
}

describe('archiveEnding', () => {
  it.each([
    ['a.tar.gz', '.tar.gz'],
    ['A.TGZ', '.tgz'],
    ['a.tar.zst', '.tar.zst'],
    ['a.tar', '.tar'],
    ['a.zip', '.zip'],
    ['a.gz', undefined],
    ['a.exe', undefined],
    ['.zip', undefined],
  ])('%s → %s', (name, ending) => expect(archiveEnding(name)).toBe(ending));
});
