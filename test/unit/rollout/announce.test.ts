import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAnnouncer } from '../../../src/rollout/announce.ts';
import { adminChats, rememberAdminChat } from '../../../src/store/admin-chats.ts';
import { type OpenStore, openStore } from '../../../src/store/open.ts';
import { putMessage } from '../../../src/store/outbox.ts';
import { createSettings } from '../../support/settings.ts';

let store: OpenStore;
beforeEach(async () => {
  store = await openStore(':memory:');
});
afterEach(() => store.close());

const seen = (chat: string, language: 'en' | 'zh' | undefined, at: number, platform = 'fake') =>
  rememberAdminChat(store.db, { route: { platform, chat, thread: 't', message: 'm' }, language, at });

test('a chat is kept once, without thread and message, with the language spoken last', async () => {
  await seen('a', undefined, 1);
  await seen('a', 'zh', 2);
  await seen('a', undefined, 3);
  expect(await adminChats(store.db)).toEqual([
    { id: 'fake:a', route: { platform: 'fake', chat: 'a' }, language: 'zh' },
  ]);
});

test('every chat is told, in its language; not those whose platform is gone', async () => {
  await seen('a', 'zh', 1);
  await seen('b', undefined, 1);
  await seen('c', 'en', 1, 'gone');
  const settings = createSettings({ language: 'en' });
  const announcer = createAnnouncer({ outbox: { put: putMessage }, settings, platforms: ['fake'] });
  const announce = (key: string, about: 'news' | 'failure') =>
    store.db
      .transaction()
      .execute((trx) =>
        announcer.announce(trx, { key, about, reply: (language) => ({ tone: 'info', title: language }), now: 5 }),
      );
  expect(await announce('k', 'news')).toBe(true);
  settings.change({ notify: 'failures' });
  expect(await announce('l', 'news')).toBe(false);
  expect(await announce('m', 'failure')).toBe(true);
  settings.change({ notify: 'off' });
  expect(await announce('n', 'failure')).toBe(false);
  const rows = await store.db.selectFrom('outbox').select(['key', 'reply']).orderBy('seq').execute();
  expect(rows.map(({ key, reply }) => `${key} ${JSON.parse(reply).title}`)).toEqual([
    'k@fake:a zh',
    'k@fake:b en',
    'm@fake:a zh',
    'm@fake:b en',
  ]);
});
