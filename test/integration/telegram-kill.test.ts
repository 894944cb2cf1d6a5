import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startTelegram } from '../support/telegram/index.ts';
import { until } from '../support/until.ts';

/** The process that sends is killed with SIGKILL, again and again, while people talk: each message is shown once. */

const ENTRY = join(import.meta.dirname, '../support/telegram/sender-entry.ts');

test('killed in mid-sending four times: every message once, none lost, in order, none changed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-telegram-'));
  const telegram = await startTelegram();
  const { anna, ben } = telegram.people;
  for (const person of [anna, ben]) telegram.say('/start', { place: 'direct', person });
  const chats = [telegram.chatId('group'), anna, ben];
  const found: unknown[] = [];
  let child: ChildProcess | undefined;
  const start = () => {
    const args = [ENTRY, join(folder, 'db'), telegram.url, telegram.token, chats.join(',')];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout?.on('data', (data) =>
      found.push(
        ...String(data)
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ),
    );
  };
  const kill = async () => {
    const ending = child;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    ending.kill('SIGKILL');
    await once(ending, 'exit');
  };
  const sends = () => telegram.calls().filter(({ what }) => what === 'send').length;
  try {
    for (let round = 0; round < 4; round += 1) {
      start();
      const before = sends();
      await until('some messages', () => sends() >= before + 15 + round * 7);
      telegram.chatter(7);
      // Every second time exactly between the call and its answer, in one chat or in all.
      if (round % 2 === 1) {
        const lost = () => telegram.calls().filter(({ answered }) => answered === 'dropped').length;
        const already = lost();
        telegram.fault({ on: 'send', do: 'lose-answer', times: round === 1 ? 1 : 3 });
        await until('the lost answer', () => lost() > already);
      }
      await kill();
      telegram.chatter(5, round % 2 === 0 ? 'group' : 'direct');
    }
    start();
    const before = telegram.messages().length;
    await until('that it goes on', () => telegram.messages().length >= before + 30);
    await kill();
    for (const chat of chats) {
      const shown = telegram.messages().filter((message) => message.chat === chat);
      expect(shown.map(({ title }) => title)).toEqual(shown.map((_, i) => `message ${i}`));
      expect(shown.flatMap(({ earlier }) => earlier)).toEqual([]);
    }
    expect(JSON.stringify(found)).toContain('"found":true');
  } finally {
    await kill();
    await telegram.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
