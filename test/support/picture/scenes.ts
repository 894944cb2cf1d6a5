import type { OutcomeLike, UpdateLike } from '../../../src/chat/messages/index.ts';
import { awayCard, releaseCard } from '../../../src/chat/render-notice.ts';
import { approvalCard } from '../../../src/chat/render-people.ts';
import { finalCard, progressCard } from '../../../src/chat/render-update.ts';
import type { Language, Reply } from '../../../src/domain/reply.ts';

/** What the pictures show: the cards that people see most, made by the code that makes them for people. */
export interface Scene {
  readonly name: 'available' | 'progress' | 'lock' | 'result' | 'failure' | 'approval' | 'away';
  /** What somebody wrote before. */
  readonly said?: string;
  readonly reply: Reply;
}

const NOW = Date.parse('2026-11-21T14:02:00Z');
const MINUTE = 60_000;

const NOTES = {
  en: '- Orders are listed twice as fast\n- The export knows **time zones**\n- Fixes a crash on empty carts',
  zh: '- 订单列表快了一倍\n- 导出支持**时区**\n- 修复购物车为空时的崩溃',
};

const UPDATE: UpdateLike = {
  id: 'u-7k2m',
  app: 'web',
  kind: 'update',
  state: 'fetching',
  from: '1.4.1',
  to: '1.4.2',
  requestedAt: NOW - 14_000,
};
const OUTCOME: OutcomeLike = {
  state: 'succeeded',
  from: '1.4.1',
  to: '1.4.2',
  running: '1.4.2',
  outageMs: 900,
  proof: 'reported',
  backup: 7,
  startedAt: NOW - 14_000,
  endedAt: NOW,
};
const LOG = 'listening on 8081\nError: no such table: carts\n    at migrate (db.js:12)\n    at start (main.js:40)';

/** Ids as each platform has them. */
const ANNA: Readonly<Record<string, string>> = {
  feishu: 'ou_7d8a6e6df7621556ce0d21922b676706',
  discord: '80351110224678912',
  telegram: '700001001',
};

/** In the order in which they are drawn. */
export function scenes(language: Language, platform = 'feishu'): readonly Scene[] {
  const zh = language === 'zh';
  const release = {
    version: '1.4.2',
    channel: 'stable',
    digest: 'sha512-4f1c9a2e',
    publishedAt: NOW - 180 * MINUTE,
    notes: NOTES[language],
    size: 8_100_000,
    artifacts: [],
  };
  const progress = { unit: 'bytes', done: 3_100_000, total: 8_100_000, rate: 1_200_000, left: 4 } as const;
  const problem = { code: 'health_failed', data: { reason: 'HTTP 500' } };
  const failure: OutcomeLike = {
    ...OUTCOME,
    state: 'rolled-back',
    running: '1.4.1',
    outageMs: 4_200,
    problem,
    logTail: LOG,
    dataRestored: true,
    setAside: 'failed/u-7k2m',
    backup: undefined,
  };
  const lock = { code: 'locked_by_app', data: { app: 'web', reason: zh ? '正在导出' : 'an export runs' } };
  const asked = { ...UPDATE, device: 'shop-1', requestedBy: `${platform}:${ANNA[platform]}`, requestedByName: 'Anna' };
  const approval = { mode: 'second', digest: release.digest, expiresAt: NOW + 1_440 * MINUTE } as const;
  const intents = {
    code: 'chat_intents_missing',
    data: { platform: 'discord', where: 'discord.com/developers' },
  };
  return [
    { name: 'available', reply: releaseCard({ app: 'web', from: '1.4.1', release, between: 0 }, language, NOW) },
    {
      name: 'progress',
      said: zh ? '请把 web 更新一下' : 'please update web',
      reply: progressCard({ ...UPDATE, progress }, language),
    },
    {
      name: 'result',
      reply: finalCard(OUTCOME, { ...UPDATE, state: 'succeeded', endedAt: NOW }, language, { admin: true }),
    },
    {
      name: 'approval',
      reply: approvalCard(asked, { ...approval, automatic: false, alone: false, force: false }, language),
    },
    {
      name: 'lock',
      said: '/update now web',
      reply: progressCard({ ...UPDATE, state: 'waiting', note: lock }, language),
    },
    {
      name: 'failure',
      reply: finalCard(failure, { ...UPDATE, state: 'rolled-back', endedAt: NOW }, language, { admin: true }),
    },
    {
      name: 'away',
      reply: awayCard(
        { platform: 'discord', problem: intents, since: NOW - 2 * MINUTE, times: 1 },
        { language, timezone: zh ? 'Asia/Shanghai' : 'Europe/Berlin', now: NOW },
      ),
    },
  ];
}
