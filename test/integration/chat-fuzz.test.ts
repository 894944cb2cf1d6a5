import { expect, test } from 'vitest';
import { MESSAGES } from '../../src/chat/messages/index.ts';
import { chatText } from '../support/chat-texts.ts';
import { chats, eventOf, hub, pass, start, usePeopleHub } from '../support/people-hub.ts';
import { randomOf } from '../support/planted.ts';

/** `npm run fuzz:chat` says 100,000 texts; FETTLE_SEED takes others. */
const TEXTS = Number(process.env.FETTLE_FUZZ ?? 1_000);
const SEED = Number(process.env.FETTLE_SEED ?? 1);
const BATCH = 250;
/** What a batch may take at the most, in the hub's time. */
const PATIENCE_MS = 10 * 60_000;

usePeopleHub();

const INTERNAL = (['en', 'zh'] as const).map((language) =>
  MESSAGES[language].problem('internal', {}).text.slice(0, 25),
);

test('whatever is said is answered, by something that was thought of', { timeout: 3_600_000 }, async () => {
  const rejected: unknown[] = [];
  const onRejection = (error: unknown) => rejected.push(error);
  process.on('unhandledRejection', onRejection);
  await start('none', { real: true });
  const random = randomOf(SEED);
  const titles = new Map<string, number>();
  const internal: string[] = [];
  const unanswered: string[] = [];
  let base = 0;
  let most = 0;
  const began = process.hrtime.bigint();
  for (let said = 0; said < TEXTS; said += BATCH) {
    const events = Array.from({ length: Math.min(BATCH, TEXTS - said) }, (_, i) => {
      const text = chatText(random);
      // One in ten by somebody whom nobody knows: mostly passed over.
      const stranger = i % 10 === 9;
      const event = eventOf(stranger ? `telegram:${i % 50}` : 'terminal:local', text);
      const chat = stranger ? event.route.chat : `t${i % 60}`;
      const locale = i % 2 === 0 ? 'en' : 'zh';
      return { stranger, event: { ...event, locale, route: { ...event.route, chat } } as const };
    });
    for (const { event } of events) await hub.router.sink(event.route.platform).accept(event);
    const waiting = new Map(events.filter(({ stranger }) => !stranger).map(({ event }) => [event.eventId, event.text]));
    const look = () => {
      for (const { message } of chats.terminal.shown) {
        if (message.answers === undefined || !waiting.delete(message.answers)) continue;
        const { title, text = [] } = message.reply;
        const kind = title.replace(/[^\p{L} ]+/gu, '').slice(0, 24);
        titles.set(kind, (titles.get(kind) ?? 0) + 1);
        if (title === '' || INTERNAL.some((start) => `${title} ${text.join(' ')}`.includes(start)))
          internal.push(
            `${JSON.stringify(events.find(({ event }) => event.eventId === message.answers)?.event.text.slice(0, 200))} → ${title} ${text.join(' ')}`,
          );
      }
    };
    for (let waited = 0; waiting.size > 0 && waited < PATIENCE_MS; waited += 500) {
      await pass(500);
      look();
    }
    unanswered.push(...[...waiting.values()].map((text) => JSON.stringify(text.slice(0, 200))));
    for (const chat of Object.values(chats)) chat.shown.length = chat.calls.length = 0;
    const { heapUsed } = process.memoryUsage();
    if (said === 4 * BATCH) base = heapUsed;
    most = Math.max(most, heapUsed);
  }
  process.off('unhandledRejection', onRejection);
  if (process.env.FETTLE_FUZZ) {
    const seconds = Number((process.hrtime.bigint() - began) / 1_000_000n) / 1_000;
    const megabytes = (bytes: number) => Math.round(bytes / 1e6);
    console.log(
      `${TEXTS} texts in ${seconds} s: ${rejected.length} unhandled rejections, ${internal.length} internal errors, ${unanswered.length} unanswered, ` +
        `${titles.size} kinds of answers; heap ${megabytes(base)} MB after ${5 * BATCH}, ${megabytes(most)} MB at the most`,
    );
  }
  expect(rejected).toEqual([]);
  expect(internal.slice(0, 10)).toEqual([]);
  expect(unanswered.slice(0, 10)).toEqual([]);
  expect(titles.size).toBeGreaterThan(10);
  expect(most).toBeLessThan(1_000_000_000);
});
