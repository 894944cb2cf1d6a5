import { expect, test } from 'vitest';
import type { ChatPlatform, Fault } from '../support/chat-platform.ts';
import { type ChatWorld, makeChatWorld } from '../support/chat-world.ts';
import { type DiscordPlatform, startDiscord } from '../support/discord/index.ts';
import { type FeishuPlatform, startFeishu } from '../support/feishu/index.ts';
import { startTelegram, type TelegramPlatform } from '../support/telegram/index.ts';
import { until } from '../support/until.ts';

/**
 * Each fault of a platform, with the shipped hub and the platform's own library: what was asked is answered, once. With
 * FETTLE_PRINT=1 the table is printed.
 */

const LIMIT_MS = 90_000;

/** Done before somebody asks. A function that it comes to is called once the question was put. */
type Disturb<P extends ChatPlatform> = (chat: P) => unknown;

const set =
  (...faults: Fault[]): Disturb<ChatPlatform> =>
  (chat) => {
    for (const fault of faults) chat.fault(fault);
  };
const cutAnd =
  (...faults: Fault[]): Disturb<ChatPlatform> =>
  (chat) => {
    for (const fault of faults) chat.fault(fault);
    chat.disconnect();
  };

/** Somebody asks for the status of an app. */
const ASKED: Readonly<Record<string, Disturb<ChatPlatform>>> = {
  'send: dropped': set({ on: 'send', do: 'drop' }),
  'send: answer lost': set({ on: 'send', do: 'lose-answer' }),
  'send: 500, 502, 503': (chat) => {
    for (const status of [500, 502, 503]) chat.fault({ on: 'send', do: 'status', status });
  },
  'send: 429 with a wait, twice': set({ on: 'send', do: 'rate-limit', retryAfterMs: 1_000, times: 2 }),
  'send: delayed': set({ on: 'send', do: 'delay', ms: 1_500 }),
  'acknowledgement: dropped': set({ on: 'acknowledge', do: 'drop' }),
  'event: delayed': set({ on: 'event', do: 'delay', ms: 1_000 }),
  'event: duplicated': set({ on: 'event', do: 'duplicate' }),
  'event: lost': set({ on: 'event', do: 'lose' }),
  'event: reordered': set({ on: 'event', do: 'reorder' }),
  'connection: cut': cutAnd(),
  'connection: cut, next dropped': cutAnd({ on: 'connect', do: 'drop' }),
  'connection: cut, next 502': cutAnd({ on: 'connect', do: 'status', status: 502 }),
};

/** Somebody updates an app that is looked at for five seconds. */
const UPDATED: Readonly<Record<string, Disturb<ChatPlatform>>> = {
  'edit: dropped': set({ on: 'edit', do: 'drop', times: 2 }),
  'edit: answer lost': set({ on: 'edit', do: 'lose-answer', times: 2 }),
  'edit: 503': set({ on: 'edit', do: 'status', status: 503, times: 2 }),
  'edit: 429 with a wait': set({ on: 'edit', do: 'rate-limit', retryAfterMs: 2_000, times: 2 }),
  'edit: delayed': set({ on: 'edit', do: 'delay', ms: 1_500, times: 2 }),
  'card deleted': () => undefined,
};

/** Discord's session after a disturbance: another one, or the same again. */
const session =
  (disturb: (chat: DiscordPlatform) => void): Disturb<DiscordPlatform> =>
  async (chat) => {
    const before = chat.identified + chat.resumed;
    disturb(chat);
    await until('the next session', () => chat.identified + chat.resumed > before, LIMIT_MS);
    await chat.connected();
    return undefined;
  };
const DISCORD: Readonly<Record<string, Disturb<DiscordPlatform>>> = {
  'close code 1000': session((chat) => chat.closeGateway(1000)),
  'close code 4000': session((chat) => chat.closeGateway(4000)),
  'close code 4007': session((chat) => chat.closeGateway(4007)),
  'close code 4009': session((chat) => chat.closeGateway(4009)),
  'told to reconnect': session((chat) => chat.frame({ op: 7, d: null })),
  'invalid session': session((chat) => chat.frame({ op: 9, d: false })),
  'session forgotten': session((chat) => {
    chat.forgetSessions();
    chat.disconnect();
  }),
  'token of the interaction expired': (chat) => {
    chat.fault({ on: 'send', do: 'status', status: 503 });
    return Promise.resolve(() => chat.advance(16 * 60_000));
  },
};
const FEISHU: Readonly<Record<string, Disturb<FeishuPlatform>>> = {
  'endpoint busy': async (chat) => {
    chat.endpoint({ code: 1, msg: 'system busy' });
    const asked = () => chat.calls().filter(({ what }) => what === 'connect').length;
    const before = asked();
    chat.disconnect();
    await until('a question for the endpoint', () => asked() > before, LIMIT_MS);
    chat.endpoint(undefined);
    return undefined;
  },
  'access token expired': (chat) => chat.expireTokens(),
  'event in fragments': async (chat) => {
    chat.fragment(3);
    return () => chat.fragment(1);
  },
  'frames that are none': (chat) => chat.nonsense(),
};
const TELEGRAM: Readonly<Record<string, Disturb<TelegramPlatform>>> = {
  '409: another program polls': async (chat) => {
    const conflicts = () => chat.calls().filter(({ answered }) => answered === 409).length;
    const before = conflicts();
    chat.rival(true);
    await until('a conflict', () => conflicts() > before, LIMIT_MS);
    chat.rival(false);
    return undefined;
  },
};

const PLATFORMS = [
  ['feishu', startFeishu, FEISHU],
  ['discord', startDiscord, DISCORD],
  ['telegram', startTelegram, TELEGRAM],
] as const;

test.concurrent.each(PLATFORMS)('%s: each fault ends in one answer', { timeout: 900_000 }, async (name, start, own) => {
  const world = await makeChatWorld(start as () => Promise<ChatPlatform>);
  const table: string[] = [];
  const row = (fault: string, answers: number, began: number) =>
    table.push(`${name.padEnd(9)}${fault.padEnd(34)}answers ${answers}  after ${seconds(began)} s`);
  try {
    for (const [fault, disturb] of Object.entries({ ...ASKED, ...own })) {
      // A connection that did not hold for a minute is made anew more and more slowly: each begins with a hub of its own.
      if (/connection|close|session|reconnect|endpoint/.test(fault)) await world.killHub();
      const began = performance.now();
      const wanted = fault === 'event: reordered' ? 2 : 1;
      row(fault, await ask(world, fault, disturb as Disturb<ChatPlatform>, wanted), began);
      expect(table.at(-1)).toContain(`answers ${wanted} `);
    }
    for (const [i, [fault, disturb]] of Object.entries(UPDATED).entries()) {
      const began = performance.now();
      row(fault, await update(world, `1.${i + 1}.0`, fault, disturb), began);
      expect(table.at(-1)).toContain('answers 1 ');
    }
  } finally {
    if (process.env.FETTLE_PRINT) process.stdout.write(`${table.join('\n')}\n`);
    await world.close();
  }
});

const seconds = (began: number) => ((performance.now() - began) / 1_000).toFixed(1);

/** @returns how many answers there are when nothing more is to be said */
async function ask(world: ChatWorld, fault: string, disturb: Disturb<ChatPlatform>, wanted: number): Promise<number> {
  const { chat } = world;
  await world.quiet();
  const from = chat.messages().length;
  const shown = () => chat.messages().slice(from);
  const type = () => chat.type('/update status web', { place: 'group' });
  const after = await disturb(chat);
  const events = [await type()];
  if (wanted === 2) events.push(await type());
  if (fault.startsWith('token of')) {
    await until('the acknowledgement', () => chat.acknowledgedAfter(events[0] ?? '') !== undefined);
  }
  if (typeof after === 'function') after();
  // Discord tells nobody twice: whoever sees that nothing took the command gives it again.
  if (fault === 'event: lost' && chat.platform === 'discord') events.splice(0, 1, await type());
  await until(`${fault}: ${wanted} answers`, () => shown().length >= wanted, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}\n${chat.transcript().slice(-1_500)}`);
  });
  await world.quiet();
  await until('that all is done', () =>
    events.every((id) => world.query(`select 1 from inbox where event_id = '${id}' and done = 1`).length === 1),
  );
  return shown().length;
}

/** @returns how many final answers there are */
async function update(world: ChatWorld, version: string, fault: string, disturb: Disturb<ChatPlatform>) {
  const { chat } = world;
  await world.release('slow', version);
  await world.quiet();
  const from = chat.messages().length;
  await disturb(chat);
  await chat.type(`/update now slow@${version}`, { place: 'group' });
  if (fault === 'card deleted') {
    chat.remove((await world.shown('the card', ({ text }) => text.includes(version), from)).id);
  }
  const isFinal = ({ text }: { readonly text: string }) => text.includes(`back online, ${version}`);
  await world.shown(`the result although ${fault}`, isFinal, from, LIMIT_MS);
  await world.quiet();
  expect(world.query(`select state from updates where to_version = '${version}'`)).toEqual([{ state: 'succeeded' }]);
  return chat.messages().slice(from).filter(isFinal).length;
}
