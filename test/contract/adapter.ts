import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Adapter, Outgoing, Reply, Request, Sink } from '../../src/chat/contract.ts';
import { until } from '../support/until.ts';

/**
 * What every adapter owes the core (`src/chat/contract.ts`), run against each over its platform's real protocol. A
 * test that a platform has no use for is skipped with its reason.
 */

/** A platform with one chat, a person in it, and what that person sees. */
export interface Stage {
  /** Do its events carry their time? */
  readonly saysWhen: boolean;
  /** A new adapter, not started; the second one is the hub after a restart. */
  makeAdapter(): Adapter;
  /** The person types; resolves when the platform has taken it, with the id of the event. */
  type(text: string): Promise<string>;
  /** Tells the hub the same event once more, as platforms do; undefined: the reason why this one cannot. */
  readonly repeat: ((eventId: string, text: string) => Promise<void>) | { readonly not: string };
  /** Titles of the messages that the person sees, oldest first, in their newest state. */
  seen(): readonly string[];
  /** Nobody reads / somebody reads again. */
  readonly attendance: { leave(): Promise<void>; come(): Promise<void> } | { readonly not: string };
  close(): Promise<void>;
}

/** The core's side, in memory. */
export class FakeSink implements Sink {
  readonly accepted: Request[] = [];
  readonly events = new Set<string>();
  readonly sent = new Map<string, Outgoing[]>();
  readonly commands = new Map<string, string>();
  readonly remembered = new Map<string, string>();
  connectionChanges = 0;
  deliverables = 0;
  refuseNext = false;

  async accept(request: Request): Promise<'stored' | 'duplicate'> {
    if (this.refuseNext) {
      this.refuseNext = false;
      throw new Error('the store is busy');
    }
    this.accepted.push(request);
    if (this.events.has(request.eventId)) return 'duplicate';
    this.events.add(request.eventId);
    return 'stored';
  }
  deliverable(): void {
    this.deliverables += 1;
  }
  async answersTo(eventId: string): Promise<readonly Outgoing[]> {
    return this.sent.get(eventId) ?? [];
  }
  connectionChanged(): void {
    this.connectionChanges += 1;
  }
  async shorten(command: string): Promise<string> {
    const name = createHash('sha256').update(command).digest('base64url').slice(0, 22);
    this.commands.set(name, command);
    return name;
  }
  async expand(name: string): Promise<string | undefined> {
    return this.commands.get(name);
  }
  readonly memory = {
    get: async (key: string) => this.remembered.get(key),
    set: async (key: string, value: string) => void this.remembered.set(key, value),
  };
  async complete(text: string): Promise<readonly string[]> {
    return [`${text} web`];
  }
}

export function adapterContract(name: string, makeStage: () => Promise<Stage>): void {
  describe(`${name}: the contract of adapters`, () => {
    let stage: Stage;
    let adapter: Adapter;
    let sink: FakeSink;

    beforeEach(async () => {
      stage = await makeStage();
      sink = new FakeSink();
      adapter = stage.makeAdapter();
      await adapter.start(sink);
      if ('come' in stage.attendance) await stage.attendance.come();
      await until('the connection', () => adapter.connection().state === 'connected');
    });
    afterEach(async () => {
      await adapter.stop();
      await stage.close();
    });

    async function asked(text = '/update'): Promise<Request> {
      const eventId = await stage.type(text);
      return until('the event', () => sink.accepted.find((request) => request.eventId === eventId));
    }
    const reply = (title: string): Reply => ({ tone: 'info', title });
    const answer = (to: Request, key: string, title: string, final = true): Outgoing => ({
      key,
      route: to.route,
      reply: reply(title),
      answers: to.eventId,
      final,
      failed: false,
    });
    async function delivered(message: Outgoing): Promise<string> {
      const delivery = await adapter.send(message);
      if (delivery.result !== 'sent') throw new Error(JSON.stringify(delivery));
      return delivery.ref;
    }

    test('is connected, and says since when', () => {
      expect(adapter.connection().state).toBe('connected');
      expect(adapter.connection().since).toBeGreaterThan(0);
    });

    test('an event has a serialisable route, an id, a person, the text', async () => {
      const request = await asked('/update now web');
      expect(request).toMatchObject({ text: '/update now web', route: { platform: adapter.platform } });
      expect(request.person).not.toBe('');
      expect(JSON.parse(JSON.stringify(request.route))).toEqual(request.route);
    });

    test('two events have two ids', async () => {
      const [first, second] = [await asked(), await asked()];
      expect(first.eventId).not.toBe(second.eventId);
    });

    test('an event told twice has one id', async (context) => {
      if ('not' in stage.repeat) return context.skip(stage.repeat.not);
      const request = await asked();
      await stage.repeat(request.eventId, request.text);
      await until('the second time', () => sink.accepted.length >= 2);
      expect(sink.events.size).toBe(1);
      // By its own time, and not by when it was told: what is too old is not done.
      expect(sink.accepted[1]?.at).toBe(request.at);
    });

    test('an event has its time', async (context) => {
      if (!stage.saysWhen) return context.skip('told in the moment in which it is');
      const before = Date.now();
      const { at = 0 } = await asked();
      // Some say whole seconds.
      expect(at).toBeGreaterThanOrEqual(before - 1_000);
      expect(at).toBeLessThanOrEqual(Date.now() + 1_000);
    });

    test('an event that could not be stored is not acknowledged, so it is told again', async (context) => {
      if ('not' in stage.repeat) return context.skip(stage.repeat.not);
      sink.refuseNext = true;
      const eventId = await stage.type('/update');
      await until('the refusal', () => !sink.refuseNext);
      await stage.repeat(eventId, '/update');
      await until('the second time', () => sink.events.has(eventId));
    });

    test('a message is seen once it counts as sent', async () => {
      await delivered(answer(await asked(), 'k1', 'hello'));
      expect(stage.seen()).toEqual(['hello']);
    });

    test('one key sent twice is one message', async () => {
      const request = await asked();
      const first = await delivered(answer(request, 'k1', 'once'));
      expect(await delivered(answer(request, 'k1', 'once'))).toBe(first);
      expect(stage.seen()).toEqual(['once']);
    });

    test('an edit changes the message in its place', async () => {
      const request = await asked();
      const ref = await delivered(answer(request, 'k1', 'fetching', false));
      await delivered(answer(request, 'k2', 'another', false));
      expect(await adapter.edit(ref, answer(request, 'k1', 'done', false))).toMatchObject({ result: 'sent' });
      await until('the edit', () => stage.seen().includes('done'));
      expect(stage.seen()).toEqual(['done', 'another']);
    });

    test('a ref outlives the hub: the one that comes up edits the same message', async () => {
      const request = await asked();
      const ref = await delivered(answer(request, 'k1', 'fetching', false));
      await adapter.stop();
      adapter = stage.makeAdapter();
      await adapter.start(sink);
      await until('the connection', () => adapter.connection().state === 'connected');
      const edited = await adapter.edit(JSON.parse(JSON.stringify(ref)), answer(request, 'k1', 'done', false));
      expect(edited).toMatchObject({ result: 'sent' });
      expect(stage.seen()).toEqual(['done']);
    });

    test('a key sent before the hub restarted is still one message', async () => {
      const request = await asked();
      await delivered(answer(request, 'k1', 'once'));
      await adapter.stop();
      adapter = stage.makeAdapter();
      await adapter.start(sink);
      await until('the connection', () => adapter.connection().state === 'connected');
      await delivered(answer(request, 'k1', 'once'));
      expect(stage.seen()).toEqual(['once']);
    });

    test('every part of a card can be sent', async () => {
      const request = await asked();
      const full: Reply = {
        tone: 'bad',
        title: 'a card',
        text: ['one', 'two @everyone <b>&amp;</b> *x* `y`'],
        fields: [{ name: 'version', value: '1 → 2' }],
        table: {
          columns: ['a', 'b'],
          rows: [
            ['1', '2'],
            ['3', ''],
          ],
        },
        progress: { label: 'fetching', step: 2, steps: 7, done: 1, total: 2, detail: '1 of 2' },
        code: 'line\n\x1b[31mred\x1b[0m\n更新',
        buttons: [{ label: 'Go', command: '/update now', style: 'primary' }],
        hints: ['/help'],
      };
      await delivered({ ...answer(request, 'k1', ''), reply: full });
      expect(stage.seen()).toEqual(['a card']);
    });

    test('a message as long as it may be can be sent', async () => {
      const request = await asked();
      const code = 'x'.repeat(adapter.capabilities.maxLength - 100);
      await delivered({ ...answer(request, 'k1', ''), reply: { ...reply('long'), code } });
      expect(stage.seen()).toEqual(['long']);
    });

    test('with nobody to read, a message waits; with somebody, it is asked for', async (context) => {
      if ('not' in stage.attendance) return context.skip(stage.attendance.not);
      const request = await asked();
      await stage.attendance.leave();
      await until('that nobody is there', () => adapter.connection().state === 'unattended');
      expect(await adapter.send(answer(request, 'k1', 'later'))).toEqual({ result: 'unattended' });
      const before = sink.deliverables;
      await stage.attendance.come();
      await until('that it is asked for', () => sink.deliverables > before);
      await delivered(answer(request, 'k1', 'later'));
      expect(stage.seen()).toEqual(['later']);
    });

    test('stopping is final, and nothing is left open', async () => {
      const request = await asked();
      await adapter.stop();
      expect(adapter.connection().state).toBe('stopped');
      expect((await adapter.send(answer(request, 'k1', 'too late'))).result).not.toBe('sent');
      await adapter.stop();
    });

    test('sending on many messages at once loses none', async () => {
      const request = await asked();
      const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
      // A platform's limit may be met on a busy machine: what was not sent is sent again, as the outbox does.
      const sentAtLast = async (message: Outgoing) => {
        for (;;) {
          const delivery = await adapter.send(message);
          if (delivery.result === 'sent') return;
          if (delivery.result !== 'retry' || !delivery.notSent) throw new Error(JSON.stringify(delivery));
          await delay(delivery.afterMs);
        }
      };
      await Promise.all(keys.map((key) => sentAtLast(answer(request, key, key, false))));
      expect([...stage.seen()].sort()).toEqual([...keys].sort());
    });
  });
}
