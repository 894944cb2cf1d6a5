import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import { runClaim } from '../../src/cli/claim.ts';
import { listAudit } from '../../src/store/audit.ts';
import { openStore } from '../../src/store/open.ts';
import { isCode, judge, newestCode } from '../../src/store/person-codes.ts';

/** `fettle claim` on a real home, with and without a hub that has its database open. */

let folder: string;
let layout: HomeLayout;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-claim-'));
  layout = homeLayout(join(folder, 'home'), join(folder, 'run'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function claim(): Promise<{ code: number; lines: string[]; printed: string | undefined }> {
  const lines: string[] = [];
  const environment = readEnvironment({ HOME: folder, PATH: '/usr/bin', FETTLE_HOME: layout.home });
  const code = await runClaim({ layout, environment, config: undefined, print: (line) => lines.push(line) });
  const printed = lines.flatMap((line) => /^ {2}\/admin claim (\S+)$/.exec(line)?.[1] ?? [])[0];
  return { code, lines, printed };
}

test('without a home, or a hub in it, it says so and makes nothing', async () => {
  expect(await claim()).toMatchObject({ code: 1, lines: [expect.stringContaining('There is no hub in')] });
});

test('prints a code that the hub knows at once; a fresh one replaces it; says what is in the way', async () => {
  mkdirSync(layout.hub.dir, { recursive: true });
  writeFileSync(layout.config, 'apps: {}\n');
  const hub = await openStore(layout.hub.db);
  try {
    const first = await claim();
    expect(first.code).toBe(0);
    expect(first.printed).toMatch(/^[2-9b-z]{4}-[2-9b-z]{4}$/);
    expect(first.lines.join('\n')).toContain('The hub does not run');
    expect(first.lines.join('\n')).toContain('No chat is set up');
    const known = await newestCode(hub.db, 'claim');
    expect(known && isCode(known, first.printed ?? '')).toBe(true);
    const second = await claim();
    expect(second.printed).not.toBe(first.printed);
    const now = await newestCode(hub.db, 'claim');
    expect(judge(now, first.printed ?? '', 'e', Date.now())).toMatchObject({ bad: 'wrong' });
    expect(judge(now, second.printed ?? '', 'e', Date.now())).toBe('good');
    expect(await listAudit(hub.db, { action: 'claim-code' })).toHaveLength(2);
  } finally {
    await hub.close();
  }
});
