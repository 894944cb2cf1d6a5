import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settingsCatalogue } from '../../config/settings-schema.ts';
import type { HubSettings } from '../../src/domain/settings.ts';
import { createSettings, type Settings } from '../../src/rollout/settings.ts';
import { listAudit } from '../../src/store/audit.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { listSettings, saveSetting } from '../../src/store/settings.ts';

/** Settings on a real database, over restarts. */

let folder: string;
let store: OpenStore;
let settings: Settings;
let log: string[];
let now: number;
let events = 0;
const nextEvent = () => {
  events += 1;
  return `e-${events}`;
};

async function start(file: Partial<HubSettings> = {}, apps = ['web']): Promise<void> {
  store = await openStore(join(folder, 'hub.db'));
  const clock = { now: () => now };
  settings = await createSettings({
    db: store.db,
    clock,
    catalogue: settingsCatalogue(apps),
    file,
    log: (line) => log.push(line),
  });
}
const restart = async (file: Partial<HubSettings> = {}, apps?: string[]) => {
  await store.close();
  await start(file, apps);
};
const asker = (eventId = nextEvent(), name = 'Ann') => ({
  who: { id: `terminal:${name.toLowerCase()}`, name },
  route: { platform: 'terminal', chat: 'terminal' },
  eventId,
});
const view = (key: string) => settings.list().find((one) => one.key === key);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-settings-'));
  log = [];
  now = 1_000;
  await start();
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what was set counts at once and after a restart; who set it and when is known', async () => {
  expect(await settings.set('interval', '12h', asker())).toEqual({ before: '24h', after: '12h' });
  await settings.set('grace', '0', asker());
  expect(settings.current()).toMatchObject({ interval: { every: 12 * 3_600_000 }, grace: 0 });
  await restart();
  expect(settings.current()).toMatchObject({ interval: { every: 12 * 3_600_000 }, grace: 0 });
  expect(view('interval')).toEqual({
    key: 'interval',
    value: '12h',
    origin: 'chat',
    changed: { byName: 'Ann', at: 1_000 },
    otherwise: { value: '24h', origin: 'default' },
  });
});

test('the chat wins over the file, the file over the default; a reset goes back to the file', async () => {
  await restart({ retention: 0, grace: 0, digest: null });
  expect(settings.current()).toMatchObject({ retention: 0, grace: 0, digest: null });
  expect(view('retention')).toMatchObject({ value: '0d', origin: 'file' });
  expect(view('digest')).toMatchObject({ value: 'off', origin: 'file' });
  await settings.set('retention', '30d', asker());
  expect(view('retention')).toMatchObject({ origin: 'chat', otherwise: { value: '0d', origin: 'file' } });
  await restart({ retention: 7 });
  expect(settings.current().retention).toBe(30);
  expect(await settings.reset('retention', asker())).toEqual({ before: '30d', after: '7d' });
  await restart({ retention: 7 });
  expect(settings.current().retention).toBe(7);
  expect(await listSettings(store.db)).toEqual([]);
});

test('a bad value changes nothing, and nobody hears of it', async () => {
  let heard = 0;
  settings.onChange(() => {
    heard += 1;
  });
  await expect(settings.set('interval', '5m', asker())).rejects.toMatchObject({
    code: 'bad_setting',
    data: { key: 'interval', value: '5m', expected: expect.stringContaining('1h to 30d') },
  });
  expect(await listSettings(store.db)).toEqual([]);
  expect(await listAudit(store.db)).toEqual([]);
  expect(heard).toBe(0);
});

test('each change is in the audit, with both values and where it was made', async () => {
  await settings.set('quiet', '23:00-07:00', asker('e-a'));
  now = 2_000;
  await settings.reset('quiet', asker('e-b', 'Bob'));
  expect(await listAudit(store.db, { action: 'settings', target: 'quiet' })).toEqual([
    expect.objectContaining({ at: 2_000, byName: 'Bob', before: '23:00-07:00', after: undefined }),
    expect.objectContaining({
      at: 1_000,
      by: 'terminal:ann',
      eventId: 'e-a',
      route: { platform: 'terminal', chat: 'terminal' },
      before: 'off',
      after: '23:00-07:00',
    }),
  ]);
});

test('an event that is run again answers the same, and does not undo what came after it', async () => {
  const first = await settings.set('interval', '12h', asker('e-a'));
  await settings.set('interval', '7d', asker('e-b'));
  await restart();
  expect(await settings.set('interval', '12h', asker('e-a'))).toEqual(first);
  expect(settings.current().interval).toEqual({ every: 7 * 86_400_000 });
  expect(await listAudit(store.db)).toHaveLength(2);
  // The same id from another person is another event.
  await settings.set('interval', '2d', asker('e-a', 'Bob'));
  expect(view('interval')).toMatchObject({ value: '2d', changed: { byName: 'Bob' } });
  const reset = await settings.reset('interval', asker('e-r'));
  expect(await settings.reset('interval', asker('e-r'))).toEqual(reset);
});

test('what is so already is not written again', async () => {
  await settings.set('notify', 'off', asker());
  await settings.set('notify', '关', asker());
  await settings.reset('backup', asker());
  expect(await listAudit(store.db)).toHaveLength(1);
});

test('listeners hear of a change after it is stored; one that fails keeps nobody from hearing', async () => {
  const heard: string[] = [];
  settings.onChange(() => {
    throw new Error('deaf');
  });
  const end = settings.onChange((values) => heard.push(`${values.notify} ${settings.current().notify}`));
  await settings.set('notify', 'failures', asker());
  await settings.set('notify', 'failures', asker());
  end();
  await settings.set('notify', 'off', asker());
  expect(heard).toEqual(['failures failures']);
  expect(log.join()).toContain('deaf');
});

test('changes at the same time all end up stored, and what counts is what is stored', async () => {
  const values = ['1h', '2h', '3h', '4h', '5h', '6h', '7h', '8h'];
  await Promise.all(values.map((value) => settings.set('interval', value, asker())));
  const stored = (await listSettings(store.db)).find(({ key }) => key === 'interval')?.value;
  expect(view('interval')?.value).toBe(stored);
  expect(stored).toBe('8h');
  const audit = await listAudit(store.db);
  expect(audit.map(({ before }) => before)).toEqual(['7h', '6h', '5h', '4h', '3h', '2h', '1h', '24h']);
});

test('keys and values that this version does not know are passed over, said in the log, and kept', async () => {
  const changed = { at: 1, by: 'terminal:ann', byName: 'Ann' };
  await saveSetting(store.db, { key: 'window', value: 'nights', changed });
  await saveSetting(store.db, { key: 'interval', value: '5m', changed });
  await saveSetting(store.db, { key: '__proto__', value: 'x', changed });
  await settings.set('defaultApp', 'web', asker());
  await restart({}, ['other']);
  expect(settings.current()).toMatchObject({ interval: { every: 86_400_000 }, defaultApp: null });
  expect(view('interval')).toMatchObject({ origin: 'default' });
  expect(log.filter((line) => line.includes('not understood'))).toHaveLength(4);
  expect((await listSettings(store.db)).map(({ key }) => key).sort()).toEqual(
    ['__proto__', 'defaultApp', 'interval', 'window'].sort(),
  );
  // The app is back: so is what was said.
  await restart({}, ['web']);
  expect(settings.current().defaultApp).toBe('web');
  // A reset takes away what is not understood, too.
  await settings.reset('interval', asker());
  expect((await listSettings(store.db)).map(({ key }) => key)).not.toContain('interval');
});
