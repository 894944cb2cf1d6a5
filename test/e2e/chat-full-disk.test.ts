import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeThreeChats, type ThreeChats } from '../support/three-chats.ts';
import { until } from '../support/until.ts';

/** The disk of the hub is full while events come on three platforms. Needs the right to mount. */

const base = mkdtempSync(join(tmpdir(), 'fettle-full-'));
const small = join(base, 'disk');
const mounts = mayMount();
const before = process.env.TMPDIR;
let three: ThreeChats | undefined;

function mayMount(): boolean {
  try {
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1G', 'tmpfs', small], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

afterAll(async () => {
  await three?.close();
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  if (mounts) execFileSync('umount', ['-l', small]);
  rmSync(base, { recursive: true, force: true });
}, 60_000);

/** Nothing more fits on the disk. */
function fill(): void {
  for (const [name, size] of [
    ['large', 1_048_576],
    ['small', 4_096],
  ] as const)
    try {
      for (;;) writeFileSync(join(small, name), Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
}

describe.runIf(mounts)('a disk that is full (needs the right to mount)', () => {
  beforeAll(async () => {
    process.env.TMPDIR = small;
    three = await makeThreeChats();
  }, 120_000);

  test('what can not be stored is not acknowledged; the hub lives, and goes on when there is room', {
    timeout: 240_000,
  }, async () => {
    if (!three) throw new Error('no hub');
    const { world, chats } = three;
    const pid = world.pidOf('hub');
    const from = chats.map((chat) => chat.messages().length);
    const asked: { index: number; event: string }[] = [];
    fill();
    for (let i = 0; i < 40; i += 1) {
      for (const [index, chat] of chats.entries()) {
        // Nobody tells an interaction again; a message comes again until it is stored, or is tried for a while.
        if (chat.platform === 'discord' && i >= 3) continue;
        // Long, so that there is soon no room in the files that are there.
        asked.push({ index, event: await chat.type(`/update now ${'x'.repeat(3_000)}`, { place: 'direct' }) });
      }
    }
    // Tries fail meanwhile; what would end the hub has the time for it.
    await delay(10_000);
    const acknowledged = (one: (typeof asked)[number]) => chats[one.index]?.acknowledgedAfter(one.event) !== undefined;
    const stored = new Set(
      world.query<{ event_id: string }>('select event_id from inbox').map(({ event_id }) => event_id),
    );
    const early = asked.filter(acknowledged);
    console.log(`full: ${asked.length} told, ${early.length} acknowledged, hub ${pid} → ${world.pidOf('hub')}`);
    expect(early.filter(({ event }) => !stored.has(event))).toEqual([]);
    expect(early.length).toBeLessThan(asked.length);
    expect(world.pidOf('hub')).toBe(pid);

    rmSync(join(small, 'large'));
    rmSync(join(small, 'small'));
    const due = asked.filter((one) => chats[one.index]?.platform !== 'discord');
    await until('all to be acknowledged', () => due.every(acknowledged), 90_000);
    await three.settled(90_000);
    expect(world.pidOf('hub')).toBe(pid);
    for (const [index, chat] of chats.entries()) {
      const own = asked.filter((one) => one.index === index);
      const finals = own.map(({ event }) => {
        const where = `platform = '${chat.platform}' and answers = '${event}' and final = 1 and state = 'sent'`;
        return world.query(`select 1 from outbox where ${where}`).length;
      });
      const told = own.map((one) => (chat.platform === 'discord' && !acknowledged(one) ? 0 : 1));
      expect(finals, chat.platform).toEqual(told);
      expect(chat.messages().slice(from[index]), chat.platform).toHaveLength(told.filter((one) => one === 1).length);
    }
    expect(world.query('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });
});
