import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Index, statementDigest } from '../../src/origin/feed-format.ts';
import { generateMinisignKey } from '../../src/origin/minisign-secret.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import {
  commit,
  commits,
  device,
  file,
  folder,
  hub,
  KEY,
  lie,
  order,
  put,
  read,
  releases,
  serving,
  useHostileWorld,
  verdict,
} from '../support/hostile-world.ts';

/** Releases that a hub lies about, and servers that lie: see hostile-world. */

useHostileWorld();

describe('releases that lie', () => {
  const change = (app: 'app', by: (index: Index) => Index) => () =>
    writeFileSync(file(app), JSON.stringify(by(read(app))));
  const unsigned = ({ head: _head, signature: _signature, ...index }: Index): Index => ({
    ...index,
    releases: index.releases.map(({ signature: _one, ...entry }) => entry),
  });

  test('unsigned', () =>
    lie('an unsigned release', 'artifact_unverified', () =>
      serving('app', change('app', unsigned), () => verdict(order({ release: releases['1.1.0'] }))),
    ));

  test('signed by somebody else', () =>
    lie("a release under the attacker's own key", 'artifact_unverified', async () => {
      const theirs = generateMinisignKey();
      return serving(
        'app',
        async () => {
          rmSync(join(folder, 'feeds', 'app'), { recursive: true });
          releases.evil = await put('app', '9.9.9', theirs);
        },
        () => verdict(order({ release: releases.evil })),
      );
    }));

  test('the statement of another app', () =>
    lie('app B as A', 'artifact_unverified', () => {
      const theirs = read('other').releases[0];
      if (!theirs) throw new Error('the test has no release of other');
      return serving(
        'app',
        change('app', (index) => ({ ...index, channels: { stable: '2.0.0' }, releases: [theirs] })),
        () =>
          verdict(
            order({ release: { version: '2.0.0', channel: 'stable', digest: statementDigest(theirs.statement) } }),
          ),
      );
    }));

  test('an old release under a new number', () =>
    lie('signed 1.0.0 as 9.9.0', 'artifact_unverified', () =>
      serving(
        'app',
        change('app', (index) => {
          const old = index.releases.find(({ version }) => version === '1.0.0');
          if (!old) throw new Error('the test has no 1.0.0');
          return { ...index, channels: { stable: '9.9.0' }, releases: [{ ...old, version: '9.9.0' }] };
        }),
        () => verdict(order({ release: { ...releases['1.0.0'], version: '9.9.0' } as OrderedRelease })),
      ),
    ));

  test('an index from before, with everything in it signed', () => {
    const before = join(folder, 'served', 'before');
    return lie('a stale index', 'source_rolled_back', async () => {
      await serving(
        'app',
        async () => {
          rmSync(join(folder, 'feeds', 'app'), { recursive: true });
          await put('app', '1.1.0');
          cpSync(join(folder, 'feeds', 'app'), before, { recursive: true });
        },
        async () => undefined,
      );
      try {
        return await serving(
          'app',
          () => {
            rmSync(join(folder, 'feeds', 'app'), { recursive: true });
            cpSync(before, join(folder, 'feeds', 'app'), { recursive: true });
          },
          () => verdict(order({ release: releases['1.1.0'] })),
        );
      } finally {
        rmSync(before, { recursive: true });
      }
    });
  });

  test('other bytes than were signed', () =>
    lie('an artifact that was exchanged', 'artifact_mismatch', async () => {
      releases['1.3.0'] = await put('app', '1.3.0');
      return serving(
        'app',
        () => {
          const place = join(folder, 'feeds', 'app', 'releases', '1.3.0', 'app-1.3.0.tgz');
          const bytes = readFileSync(place);
          bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
          writeFileSync(place, bytes);
        },
        () => verdict(order({ release: releases['1.3.0'] })),
      );
    }));

  test('a commit that is in no branch that the file names', () =>
    lie('a commit not reachable from the allowed refs', 'artifact_unverified', () =>
      verdict(order({ app: 'site', kind: 'install', release: commit(commits.other) })),
    ));

  test('an index whose number was raised', () =>
    lie('an index whose number was raised', 'artifact_unverified', () =>
      serving(
        'app',
        change('app', (index) => ({ ...index, number: index.number + 10 })),
        () => verdict(order({ release: releases['1.1.0'] })),
      ),
    ));

  test('an older release, by an installation', () =>
    lie('an older version, by an installation', 'downgrade_refused', () =>
      verdict(order({ kind: 'install', release: releases['1.0.0'] })),
    ));
});

test('the device tells whom it trusts', () => {
  const told = hub.heard.findLast((said) => said.type === 'inventory');
  const app = told?.type === 'inventory' ? told.apps.find((one) => one.app === 'app') : undefined;
  expect(app?.trust).toEqual({ level: 'signed', by: [KEY.publicKey.text] });
});

test('what is no lie is done: a newer release, and last-good', async () => {
  releases['1.4.0'] = await put('app', '1.4.0');
  expect(await verdict(order({ release: releases['1.4.0'] }))).toBe('succeeded ');
  expect(await device.version()).toBe('1.4.0');
  expect(await verdict(order({ release: releases['1.2.0'] }))).toBe('succeeded ');
  expect(await device.version()).toBe('1.2.0');
});
