import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INDEX_FILE, type Index, type Statement } from '../../src/origin/feed-format.ts';
import { sha256 } from './artifact.ts';

/** Adds a release of one raw file to a feed that is there, however bad: `fettle publish` would refuse it. */
export function addRawRelease(
  folder: string,
  of: {
    readonly version: string;
    readonly file: string;
    readonly content: Buffer;
    readonly platform?: string;
    /** What the statement says instead of the truth. */
    readonly sha256?: string;
  },
): void {
  const { version, file, content, platform = 'linux-x64' } = of;
  const place = join(folder, INDEX_FILE);
  const index = JSON.parse(readFileSync(place, 'utf8')) as Index;
  const artifact = { file, sha256: of.sha256 ?? sha256(content), size: content.length };
  const statement: Statement = {
    app: index.app,
    version,
    channel: 'stable',
    notes: sha256(''),
    artifacts: { [platform]: artifact },
  };
  mkdirSync(join(folder, 'releases', version), { recursive: true });
  writeFileSync(join(folder, 'releases', version, file), content);
  const entry = { version, channel: 'stable', date: index.date, notes: '', statement: JSON.stringify(statement) };
  const next: Index = { ...index, number: index.number + 1, releases: [entry, ...index.releases] };
  writeFileSync(place, JSON.stringify(next));
}
