import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatPlatform, SeenMessage } from './chat-platform.ts';
import { type ChatWorld, makeChatWorld } from './chat-world.ts';
import { until } from './until.ts';

/**
 * What people do in a chat, on each platform: the shipped hub, the platform's own library, a local server that speaks
 * its protocol. With FETTLE_PRINT=1 the transcript and the table of kills are printed.
 */

const print = (text: string) => {
  if (process.env.FETTLE_PRINT) process.stdout.write(`${text}\n`);
};

/** When the hub is killed: resolves at that moment. */
type Point = (at: { world: ChatWorld; eventId: string; version: string; from: number }) => Promise<void>;

/** Looks as often as the machine can. */
async function asSoonAs(what: string, look: () => boolean, limitMs = 30_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!look()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const calls = (world: ChatWorld, what: 'send' | 'edit') => world.chat.calls().filter((call) => call.what === what);

const POINTS: Readonly<Record<string, { readonly before?: (world: ChatWorld) => void; readonly until: Point }>> = {
  'event received': {
    // Stopped, it can't have read it.
    before: (world) => process.kill(world.pidOf('hub') ?? 0, 'SIGSTOP'),
    until: async () => undefined,
  },
  acknowledged: {
    until: ({ world, eventId }) =>
      asSoonAs('the acknowledgement', () => world.chat.acknowledgedAfter(eventId) !== undefined),
  },
  'command run': {
    until: ({ world, version }) =>
      asSoonAs('the update', () => world.query(`select 1 from updates where to_version = '${version}'`).length > 0),
  },
  'first reply sent': {
    // Taken and shown, but the hub never hears of it.
    before: (world) => world.chat.fault({ on: 'send', do: 'lose-answer' }),
    until: ({ world, from }) =>
      asSoonAs('the first reply', () =>
        calls(world, 'send')
          .slice(from)
          .some(({ answered }) => answered === 'dropped'),
      ),
  },
  'progress edited': {
    until: ({ world, version }) =>
      asSoonAs('an edit', () =>
        world.chat.messages().some(({ text, earlier }) => text.includes(version) && earlier.length > 0),
      ),
  },
  'outcome known': {
    until: ({ world, version }) =>
      asSoonAs(
        'the outcome',
        () =>
          world.query(
            `select 1 from outbox where key in (select id || '/final' from updates where to_version = '${version}')`,
          ).length > 0,
      ),
  },
  'result sent, answer lost': {
    until: async ({ world, version }) => {
      await asSoonAs('the card', () => world.chat.messages().some(({ text }) => text.includes(version)));
      // The card is there; an edit is no send: the next new message is the result.
      world.chat.fault({ on: 'send', do: 'lose-answer' });
      await asSoonAs('the result', () =>
        world.chat.messages().some(({ text }) => text.includes(`back online, ${version}`)),
      );
    },
  },
};

export interface Scenarios {
  /** A person who gets no acknowledgement types again: the platform tells an event that nobody took no second time. */
  readonly tellsAgain: boolean;
}

export function chatScenarios(start: () => Promise<ChatPlatform>, options: Scenarios): void {
  describe('in a chat:', { timeout: 120_000 }, () => {
    let world: ChatWorld;
    let minor = 0;
    beforeAll(async () => {
      world = await makeChatWorld(start);
    }, 120_000);
    afterAll(async () => {
      if (world) print(world.chat.transcript());
      await world?.close();
    }, 60_000);

    const nextVersion = async (app: 'web' | 'slow' | 'vault') => {
      minor += 1;
      const version = `1.${minor}.0`;
      await world.release(app, version, 'Better in every way.');
      return version;
    };
    const count = () => world.chat.messages().length;
    const says =
      (...words: string[]) =>
      (message: SeenMessage) =>
        words.every((word) => message.text.includes(word));

    test('asks whether there is something new', async () => {
      const version = await nextVersion('web');
      const from = count();
      const event = await world.chat.type('/update check web');
      const answer = await world.shown('the answer', says('web', version), from);
      expect(answer.buttons.length).toBeGreaterThan(0);
      expect(world.chat.acknowledgedAfter(event) ?? Number.POSITIVE_INFINITY).toBeLessThan(3_000);
      expect(
        world.chat
          .messages()
          .slice(from)
          .map(({ text }) => text),
      ).toEqual([answer.text]);
    });

    test('updates, with progress in one message and the result as another in the same place', async () => {
      const version = await nextVersion('slow');
      const from = count();
      await world.chat.type('/update now slow', { place: 'group' });
      const result = await world.shown('the result', says('back online', version), from, 60_000);
      const [card, ...rest] = world.chat.messages().slice(from);
      expect(rest.map(({ id }) => id)).toEqual([result.id]);
      expect(card?.earlier.length).toBeGreaterThan(0);
      expect(result.place).toBe('group');
      expect(result.chat).toBe(card?.chat);
      expect(result.thread).toBe(card?.thread);
      expect(result.text).toMatch(/outage [\d.]+ m?s/);
    });

    test('goes back by a button of the result', async () => {
      const version = await nextVersion('web');
      let from = count();
      await world.chat.type(`/update now web@${version}`);
      const result = await world.shown('the result', says('back online', version), from);
      const button = result.buttons.find(({ label }) => /back/i.test(label));
      expect(button, JSON.stringify(result)).toBeDefined();
      from = count();
      if (button) await world.chat.press(result, button);
      await world.shown('the way back', ({ text, title }) => /earlier version/.test(`${title} ${text}`), from);
    });

    test('a release that is broken is told with what runs now and what can be done', async () => {
      await world.release('web', '9.0.0');
      const from = count();
      await world.chat.type('/update now web@9.0.0');
      const failure = await world.shown('the failure', says('9.0.0 failed and was rolled back'), from, 60_000);
      expect(failure.text).toContain('status 500');
      expect(failure.buttons.length).toBeGreaterThan(0);
    });

    test('hands-off is switched on and off, and said', async () => {
      let from = count();
      await world.chat.type('/update auto on slow');
      await world.shown('that it is on', says('slow'), from);
      expect(world.query("select auto from app_settings where app = 'slow'")).toEqual([{ auto: 'on' }]);
      from = count();
      await world.chat.type('/update auto off slow');
      await world.shown('that it is off', says('slow'), from);
    });

    test('what is no command is answered with what there is; in Chinese to who reads Chinese', async () => {
      let from = count();
      await world.chat.type('/update nwo web');
      expect((await world.shown('the answer', () => true, from)).buttons.length).toBeGreaterThan(0);
      from = count();
      await world.chat.type('/update now nosuch', { place: 'direct' });
      expect((await world.shown('the answer', () => true, from)).text).toContain('nosuch');
    });

    test('somebody unknown is told so, and runs nothing', async () => {
      const from = count();
      const before = world.query('select id from updates').length;
      await world.chat.type('/update now web', { person: world.chat.people.eve });
      const answer = await world.shown('the answer', () => true, from);
      expect(answer.text).toMatch(/know you/);
      expect(world.query('select id from updates')).toHaveLength(before);
    });

    test('an update that needs a second person waits for one', async () => {
      const { chat } = world;
      await chat.type(`/admin add ${chat.platform}:${chat.people.ben} operator`, { place: 'direct' });
      await until('the operator', () => world.query("select 1 from people where role = 'operator'").length > 0);
      // Whoever has been an operator for a day may approve.
      world.execute('update people set approver_since = approver_since - 90000000');
      const version = await nextVersion('vault');
      const from = count();
      await chat.type('/update now vault', { place: 'group' });
      const card = await world.shown(
        'the question',
        (m) => m.buttons.some(({ label }) => /approve/i.test(label)),
        from,
      );
      const approve = card.buttons.find(({ label }) => /approve/i.test(label));
      if (!approve) throw new Error('no button');
      const asked = count();
      await chat.press(card, approve);
      await world.shown('the refusal', () => true, asked);
      expect(world.query(`select state from updates where app = 'vault' and to_version = '${version}'`)).toEqual([
        { state: 'approving' },
      ]);
      await chat.press(card, approve, chat.people.ben);
      await world.shown('the result', says('vault', 'back online', version), from, 60_000);
    });

    test('killed at each point, there is exactly one final answer, and one update', { timeout: 300_000 }, async () => {
      const table: string[] = [];
      for (const [name, point] of Object.entries(POINTS)) {
        const app = name === 'progress edited' ? 'slow' : 'web';
        const version = await nextVersion(app);
        await until(
          'quiet',
          () =>
            world.query("select 1 from outbox where platform <> 'terminal' and state in ('pending', 'dirty')")
              .length === 0,
        );
        const from = count();
        const sends = calls(world, 'send').length;
        point.before?.(world);
        const type = () => world.chat.type(`/update now ${app}@${version}`, { place: 'group' });
        const eventId = await type();
        await point.until({ world, eventId, version, from: sends });
        await world.killHub();
        if (name === 'event received' && !options.tellsAgain) await type();
        await world.shown('the result', says('back online', version), from, 60_000);
        await until(
          'quiet',
          () =>
            world.query("select 1 from outbox where platform <> 'terminal' and state in ('pending', 'dirty')")
              .length === 0,
        );
        const finals = world.chat.messages().filter(says('back online', version)).length;
        const updates = world.query(`select 1 from updates where to_version = '${version}'`).length;
        table.push(`${world.chat.platform.padEnd(9)} ${name.padEnd(25)} final answers ${finals}, updates ${updates}`);
        expect({ name, finals, updates }).toEqual({ name, finals: 1, updates: 1 });
      }
      print(table.join('\n'));
    });

    test('edits that are told to wait do not hold up the result', async () => {
      const version = await nextVersion('slow');
      const from = count();
      world.chat.fault({ on: 'edit', do: 'rate-limit', retryAfterMs: 60_000, times: 3 });
      await world.chat.type('/update now slow', { place: 'group' });
      await world.shown('the result', says('back online', version), from, 30_000);
    });
  });
}
