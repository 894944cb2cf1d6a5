import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { type ChatWorld, makeChatWorld } from '../support/chat-world.ts';
import { startDiscord } from '../support/discord/index.ts';
import { startFeishu } from '../support/feishu/index.ts';
import { packFettle } from '../support/fettle-release.ts';
import { RELEASE_KEY } from '../support/release-key.ts';
import { startTelegram } from '../support/telegram/index.ts';

/** The hub is updated from a chat, and says so in the thread that asked: the message comes from the new hub. */

const NEXT = '0.9.1';
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

describe('the hub updates itself from', { timeout: 180_000 }, () => {
  let packs: string;
  let release: string;
  let broken: string;
  beforeAll(async () => {
    packs = mkdtempSync(join(tmpdir(), 'fettle-packs-'));
    [release, broken] = await Promise.all([
      packFettle(join(packs, 'good'), { version: NEXT }),
      packFettle(join(packs, 'broken'), {
        version: '0.9.2',
        fault: "if (role === 'hub' && !rehearsing) { console.error('no luck'); process.exit(9); }",
      }),
    ]);
  }, 120_000);
  afterAll(() => rmSync(packs, { recursive: true, force: true }));

  async function offer(world: ChatWorld, version: string, path: string): Promise<void> {
    const folder = join(world.home.layout.releases, 'fettle');
    makeFolder(folder);
    await publish({ folder, app: 'fettle', version, files: [{ platform: 'any', path }], clock, key: RELEASE_KEY });
  }

  test.each([
    ['Feishu', startFeishu],
    ['Discord', startDiscord],
    ['Telegram', startTelegram],
  ] as const)('%s, and back where the new one is broken', async (_, start) => {
    const world = await makeChatWorld(start, {
      fettle: {
        source: 'folder releases/fettle',
        keys: [RELEASE_KEY.publicKey.text],
        for: '1s',
        deadlines: { probing: '15s' },
      },
    });
    try {
      const { chat } = world;
      await offer(world, NEXT, release);
      const pid = world.pidOf('hub');
      let from = chat.messages().length;
      await chat.type('/update now hub', { place: 'group' });
      const result = await world.shown('the result', ({ text }) => text.includes(`back online, ${NEXT}`), from, 90_000);
      expect(result.place).toBe('group');
      expect(result.text).toMatch(/outage [\d.]+ m?s/);
      expect(world.pidOf('hub')).not.toBe(pid);
      await world.quiet();
      expect(chat.messages().filter(({ text }) => text.includes(`back online, ${NEXT}`))).toHaveLength(1);
      await offer(world, '0.9.2', broken);
      from = chat.messages().length;
      await chat.type('/update now hub@0.9.2', { place: 'group' });
      const failure = await world.shown('the failure', ({ text }) => text.includes('rolled back'), from, 90_000);
      expect(failure.place).toBe('group');
      await chat.type('/update status hub', { place: 'group' });
      await world.shown('its version', ({ text }) => text.includes(NEXT) && text.includes('healthy'), from);
    } finally {
      await world.close();
    }
  });
});
