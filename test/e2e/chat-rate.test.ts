import { expect, test } from 'vitest';
import { makeChatWorld } from '../support/chat-world.ts';
import { startTelegram } from '../support/telegram/index.ts';

test('how much a person may ask is what the configuration says', { timeout: 120_000 }, async () => {
  const chat = await startTelegram();
  const rate = { perMinute: 1, burst: 2 };
  const world = await makeChatWorld(async () => chat, { chats: { telegram: chat.config, rate } });
  try {
    const answers: string[] = [];
    for (const text of ['/help', '/update', '/help']) {
      const from = chat.messages().length;
      await chat.type(text, { place: 'direct' });
      answers.push((await world.shown(`the answer to ${text}`, () => true, from)).text);
    }
    expect(answers.map((text) => /too much at once/.test(text))).toEqual([false, false, true]);
  } finally {
    await world.close();
  }
});
