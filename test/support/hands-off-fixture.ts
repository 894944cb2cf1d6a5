import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { saveAppChoice } from '../../src/store/app-settings.ts';
import { createFakeChat, type FakeChat } from './fake-chat.ts';
import {
  createSource,
  type HandsOffHub,
  type HandsOffOptions,
  type SimulatedSource,
  startHandsOffHub,
} from './hands-off-hub.ts';
import { createSettings, type TestSettings } from './settings.ts';
import { createSimulatedDevice, releaseOf, type SimulatedDevice } from './simulated-device.ts';

/** A hub on a real database, with simulated time, sources and device: what tests of hands-off updates share. */

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const who = { by: 'fake:ann', byName: 'Ann', at: 0 };

export let folder: string;
export let hub: HandsOffHub;
export let device: SimulatedDevice;
export let settings: TestSettings;
export let chat: FakeChat;
export let web: SimulatedSource;
export let bot: SimulatedSource;

/** Starts a hub on the same database, with the two apps or with others. */
export const start = async (of: Partial<Pick<HandsOffOptions, 'sources' | 'device'>> = {}) => {
  device = of.device ?? device;
  hub = await startHandsOffHub({ db: join(folder, 'hub.db'), sources: { web, bot }, settings, chat, ...of, device });
};
export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
export const auto = (app: string, value: 'on' | 'off' | 'minor') =>
  saveAppChoice(hub.store.db, app, { auto: value }, who);
export const shown = () => chat.shown.map(({ message }) => message);
export const titles = () => shown().map(({ reply }) => reply.title);
export const card = (part: string) => shown().find(({ key }) => key.includes(part));
export const rows = () => hub.store.db.selectFrom('updates').selectAll().orderBy('requested_at').execute();
export const states = async () => (await rows()).map((row) => `${row.app} ${row.to_version} ${row.state}`);

/** Call it once in a file: before each test nothing has happened, after it nothing is left. */
export function useHandsOff(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
    vi.setSystemTime(Date.parse('2026-06-01T12:00:00Z'));
    folder = mkdtempSync(join(tmpdir(), 'fettle-hands-off-'));
    web = createSource([releaseOf('1.0.0')]);
    bot = createSource([releaseOf('1.0.0')]);
    device = createSimulatedDevice({ web: '1.0.0', bot: '1.0.0' });
    settings = createSettings();
    chat = createFakeChat('fake');
  });
  afterEach(async () => {
    const stopped = hub.stop();
    await pass(2 * MINUTE);
    await stopped;
    vi.useRealTimers();
    rmSync(folder, { recursive: true, force: true });
  });
}
