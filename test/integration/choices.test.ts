import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Offer, Release } from '../../src/domain/release.ts';
import type { AppReport } from '../../src/protocol/messages.ts';
import { createReleaseChecker, type ReleaseSources } from '../../src/releases/index.ts';
import { type AppChoices, createChoices } from '../../src/rollout/choices.ts';
import { rowFor } from '../../src/rollout/new-update.ts';
import { createRequests, type Requests } from '../../src/rollout/requests.ts';
import { readAppChoice, skippedVersions } from '../../src/store/app-settings.ts';
import { listAudit } from '../../src/store/audit.ts';
import { connectDevice, saveInventory } from '../../src/store/devices.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { addUpdate, findUpdate } from '../../src/store/updates.ts';

/** Automatic updates, held versions and skipped releases: a real store and checker, and what `/update now` makes of them. */

const { signal } = new AbortController();
let folder: string;
let store: OpenStore;
let choices: AppChoices;
let requests: Requests;
let offer: Offer;
let asked: number;
let now: number;
let events = 0;
const nextEvent = () => {
  events += 1;
  return `e-${events}`;
};

const release = (version: string, channel = 'stable'): Release => ({
  version,
  channel,
  digest: `sha256-${version}`,
  artifacts: [],
});
const app = (name: string) => ({
  name,
  channel: 'stable',
  keep: [],
  downgrade: 'any' as const,
  probe: { forMs: 0, checks: 1 },
  graceMs: 0,
});
const apps = [{ ...app('web'), source: { kind: 'folder' as const, path: '/releases' } }, app('bare')];
const asker = (eventId = nextEvent(), name = 'Ann') => ({
  who: { id: `terminal:${name.toLowerCase()}`, name },
  route: { platform: 'terminal', chat: 'terminal' },
  eventId,
});
const update = (version?: string, options: { force?: boolean; eventId?: string } = {}) => ({
  kind: 'update' as const,
  app: 'web',
  version,
  force: options.force ?? false,
  withData: false,
  language: 'en' as const,
  ...asker(options.eventId),
});
const runs = (version: string | undefined, blocked: string[] = []) =>
  saveInventory(store.db, 'd-1', [{ app: 'web', version, health: 'healthy', blocked } as AppReport], true, now);

function wire(): void {
  const read = async () => {
    asked += 1;
    return { offer };
  };
  const sources = { folder: { kind: 'folder', read, resolve: async (_: unknown, one: Release) => one } };
  const clock = { now: () => now, monotonic: () => now };
  const checker = createReleaseChecker({ db: store.db, sources: sources as unknown as ReleaseSources, clock });
  choices = createChoices({ db: store.db, clock, checker, apps });
  let updates = 0;
  requests = createRequests({
    db: store.db,
    clock,
    checker,
    engine: () => ({
      async begin(made) {
        updates += 1;
        const id = `u-${updates}${now}`;
        await addUpdate(store.db, { ...rowFor(id, made, now), final_state: 'succeeded', ended_at: now }, 'person');
        return id;
      },
      insist: () => Promise.reject(new Error('nothing waits here')),
    }),
    backups: { list: async () => ({ backups: [], strange: [] }) },
    apps,
    choices,
    language: () => 'en',
    log: () => undefined,
  });
}
async function restart(): Promise<void> {
  await store.close();
  store = await openStore(join(folder, 'hub.db'));
  wire();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-choices-'));
  store = await openStore(join(folder, 'hub.db'));
  now = Date.parse('2026-11-21T08:00:00Z');
  asked = 0;
  offer = { releases: ['1.3.0', '1.2.5', '1.2.0', '1.1.0'].map((v) => release(v)), channels: {} };
  wire();
  await connectDevice(store.db, { id: 'd-1', name: 'here', platform: 'linux-x64', version: '0.2.0' }, now);
  await runs('1.2.0');
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('auto', () => {
  test('is kept over a restart, idempotent, audited once', async () => {
    expect(await choices.setAuto('web', 'on', asker())).toEqual({ before: 'off' });
    expect(await choices.setAuto('web', 'on', asker())).toEqual({ before: 'on' });
    await restart();
    expect(await choices.of('web')).toMatchObject({ auto: 'on', skipped: [] });
    expect(await listAudit(store.db, { action: 'auto' })).toEqual([
      expect.objectContaining({ target: 'web', before: 'off', after: 'on', byName: 'Ann' }),
    ]);
  });

  test('an app without a source is refused, and nothing is changed; off is fine', async () => {
    await expect(choices.setAuto('bare', 'minor', asker())).rejects.toMatchObject({ code: 'no_source' });
    expect(await choices.setAuto('bare', 'off', asker())).toEqual({ before: 'off' });
    expect((await readAppChoice(store.db, 'bare')).changed).toBeUndefined();
    await expect(choices.setAuto('nope', 'on', asker())).rejects.toMatchObject({ code: 'unknown_app' });
  });

  test('an event that is run again changes nothing that came after it', async () => {
    expect(await choices.setAuto('web', 'on', asker('e-a'))).toEqual({ before: 'off' });
    await choices.setAuto('web', 'minor', asker());
    expect(await choices.setAuto('web', 'on', asker('e-a'))).toEqual({ before: 'off' });
    expect((await choices.of('web')).auto).toBe('minor');
  });
});

describe('pin', () => {
  test('holds what runs, without asking the source; another one must be known', async () => {
    expect(await choices.pin('web', undefined, asker(), signal)).toEqual({ version: '1.2.0', before: undefined });
    expect(asked).toBe(0);
    expect(await choices.pin('web', '1.2.0', asker(), signal)).toEqual({ version: '1.2.0', before: '1.2.0' });
    await expect(choices.pin('web', '9.9.9', asker(), signal)).rejects.toMatchObject({ code: 'unknown_version' });
    expect((await choices.of('web')).pinned).toBe('1.2.0');
    expect(await choices.pin('web', 'v1.1.0', asker(), signal)).toEqual({ version: '1.1.0', before: '1.2.0' });
  });

  test('not installed: only with a version', async () => {
    await runs(undefined);
    await expect(choices.pin('web', undefined, asker(), signal)).rejects.toMatchObject({ code: 'not_installed' });
    expect(await choices.pin('web', '1.1.0', asker(), signal)).toMatchObject({ version: '1.1.0' });
  });

  test('who holds it is told, also after somebody else changed something else', async () => {
    await choices.pin('web', undefined, asker('e-p', 'Olga'), signal);
    await choices.setAuto('web', 'on', asker());
    expect(await choices.of('web')).toMatchObject({ auto: 'on', pinned: '1.2.0', pinnedBy: 'Olga' });
    await restart();
    await expect(requests.decide(update(), signal)).rejects.toMatchObject({
      code: 'pinned',
      data: { app: 'web', version: '1.2.0', who: 'Olga', try: ['/update unpin web'] },
    });
  });

  test('/update now: the held version and --force pass, everything else is refused', async () => {
    await choices.pin('web', '1.1.0', asker(), signal);
    await expect(requests.decide(update(), signal)).rejects.toMatchObject({
      code: 'pinned',
      data: { try: ['/update unpin web', '/update now web@1.1.0'] },
    });
    await expect(requests.decide(update('1.3.0'), signal)).rejects.toMatchObject({ code: 'pinned' });
    expect((await requests.decide(update('1.1.0'), signal)).to).toBe('1.1.0');
    expect((await requests.decide(update('1.3.0', { force: true }), signal)).to).toBe('1.3.0');
    expect((await requests.decide(update(undefined, { force: true }), signal)).to).toBe('1.3.0');
    expect((await choices.of('web')).pinned).toBe('1.1.0');
    expect(await choices.unpin('web', asker())).toEqual({ before: '1.1.0' });
    expect(await choices.unpin('web', asker())).toEqual({ before: undefined });
    expect((await requests.decide(update(), signal)).to).toBe('1.3.0');
  });
});

describe('skip', () => {
  test('the newest that is newer; then the next; then there is none', async () => {
    expect(await choices.skip('web', undefined, asker(), signal)).toEqual({ version: '1.3.0', already: false });
    expect((await requests.decide(update(), signal)).to).toBe('1.2.5');
    expect(await choices.skip('web', undefined, asker(), signal)).toEqual({ version: '1.2.5', already: false });
    await expect(requests.decide(update(), signal)).rejects.toMatchObject({
      code: 'release_skipped',
      data: { app: 'web', version: '1.3.0' },
    });
    await expect(choices.skip('web', undefined, asker(), signal)).rejects.toMatchObject({ code: 'release_skipped' });
    expect(await choices.skip('web', '1.3.0', asker(), signal)).toEqual({ version: '1.3.0', already: true });
    await restart();
    expect([...(await skippedVersions(store.db, 'web'))].sort()).toEqual(['1.2.5', '1.3.0']);
    expect(await listAudit(store.db, { action: 'skip' })).toHaveLength(2);
  });

  test('a later release counts as before', async () => {
    await choices.skip('web', undefined, asker(), signal);
    offer = { releases: [release('1.4.0'), ...offer.releases], channels: {} };
    expect((await requests.decide(update(), signal)).to).toBe('1.4.0');
  });

  test('nothing newer, what runs, or a version that there is not', async () => {
    await runs('1.3.0');
    await expect(choices.skip('web', undefined, asker(), signal)).rejects.toMatchObject({ code: 'already_latest' });
    await expect(choices.skip('web', '1.3.0', asker(), signal)).rejects.toMatchObject({
      code: 'already_running_version',
    });
    await expect(choices.skip('web', '9.9.9', asker(), signal)).rejects.toMatchObject({ code: 'unknown_version' });
    offer = { releases: [], channels: {} };
    now += 120_000;
    await expect(choices.skip('web', undefined, asker(), signal)).rejects.toMatchObject({ code: 'unknown_version' });
    offer = { releases: [release('1.3.0')], channels: {} };
    now += 120_000;
    await expect(choices.skip('bare', undefined, asker(), signal)).rejects.toMatchObject({ code: 'no_source' });
    // Skipped, and older than what runs: simply the latest.
    await runs('1.2.0');
    await choices.skip('web', '1.3.0', asker(), signal);
    await runs('1.3.0');
    await expect(requests.decide(update(), signal)).rejects.toMatchObject({ code: 'already_latest' });
  });

  test('asked for by its version it is done, and counts again; a dry run changes nothing', async () => {
    await choices.skip('web', '1.3.0', asker(), signal);
    expect((await requests.decide(update('1.3.0'), signal)).to).toBe('1.3.0');
    expect(await skippedVersions(store.db, 'web')).toEqual(['1.3.0']);
    const { id } = await requests.request(update('v1.3.0', { eventId: 'e-now' }), signal);
    expect((await findUpdate(store.db, id))?.to_version).toBe('1.3.0');
    expect(await skippedVersions(store.db, 'web')).toEqual([]);
    expect(await listAudit(store.db, { action: 'unskip' })).toEqual([
      expect.objectContaining({ target: 'web', before: '1.3.0', eventId: 'e-now' }),
    ]);
    // Run again after a crash: the same update, and a skip since then stays.
    await choices.skip('web', '1.3.0', asker(), signal);
    expect(await requests.request(update('1.3.0', { eventId: 'e-now' }), signal)).toEqual({ id });
    expect(await skippedVersions(store.db, 'web')).toEqual(['1.3.0']);
  });

  test('an event that is run again skips the same release, whatever has come since', async () => {
    await choices.skip('web', undefined, asker('e-a'), signal);
    offer = { releases: [release('1.4.0'), ...offer.releases], channels: {} };
    expect(await choices.skip('web', undefined, asker('e-a'), signal)).toEqual({ version: '1.3.0', already: false });
    expect(await skippedVersions(store.db, 'web')).toEqual(['1.3.0']);
  });

  test('what the source holds back stays held back when the release it points at is skipped', async () => {
    offer = {
      releases: ['2.0.0', '1.3.0', '1.2.5', '1.2.0'].map((v) => release(v)),
      channels: { stable: '1.3.0' },
    };
    await choices.skip('web', undefined, asker(), signal);
    expect(await skippedVersions(store.db, 'web')).toEqual(['1.3.0']);
    expect((await requests.decide(update(), signal)).to).toBe('1.2.5');
  });

  test('not installed: the newest that is not skipped; none is said to be none', async () => {
    await runs(undefined);
    await choices.skip('web', '1.3.0', asker(), signal);
    expect(await requests.decide(update(), signal)).toMatchObject({ kind: 'install', to: '1.2.5' });
    offer = { releases: [release('1.3.0')], channels: {} };
    await expect(requests.decide(update(), signal)).rejects.toMatchObject({ code: 'release_skipped' });
  });
});
