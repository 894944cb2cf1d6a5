import { expect, test } from 'vitest';
import { withHub } from '../support/feishu/hub.ts';
import { until } from '../support/until.ts';

/** What people do in Feishu, as the core is told of it. */

test('in a group only what calls the bot is passed on, without the mention; everybody and others are not the bot', () =>
  withHub({}, async ({ feishu, sink }) => {
    const { anna, ben } = feishu.people;
    const ignored = [
      await feishu.say('nothing', { mention: 'none' }),
      await feishu.say('/update', { mention: 'all' }),
      await feishu.say('/update', { mention: 'other' }),
      await feishu.say('/update', { kind: 'image' }),
    ];
    const id = await feishu.say('/update now web', { mention: 'bot', thread: 'omt_1', person: ben });
    await until('the message', () => sink.accepted.length > 0);
    for (const one of ignored) await until('the acknowledgement', () => feishu.acknowledgedAfter(one) !== undefined);
    expect(sink.accepted).toEqual([
      {
        at: expect.any(Number),
        route: { platform: 'feishu', chat: expect.stringMatching(/^oc_/), thread: 'omt_1', message: id },
        eventId: id,
        person: ben,
        personName: 'Ben',
        direct: false,
        text: '/update now web',
      },
    ]);
    expect(anna).not.toBe(ben);
  }));

test('a direct chat is one route, for text, rich text, buttons and the menu', () =>
  withHub({}, async ({ feishu, sink, adapter, answer }) => {
    const { anna } = feishu.people;
    await feishu.say('/update check', { place: 'direct', post: true });
    const first = await until('rich text', () => sink.accepted[0]);
    expect(first).toMatchObject({ direct: true, text: '/update check', route: { chat: anna }, personName: 'Anna' });
    await adapter.send(answer(first, 'card', { buttons: [{ label: 'Go', command: '/update now web' }] }));
    const [card] = feishu.messages();
    const button = card?.buttons[0];
    if (!card || !button) throw new Error('no button');
    await feishu.press(card, button);
    const press = await until('the press', () => sink.accepted[1]);
    expect(press).toMatchObject({ direct: true, text: '/update now web', route: { chat: anna, message: card.id } });
    await feishu.menu('update_now');
    const menu = await until('the menu', () => sink.accepted[2]);
    expect(menu).toMatchObject({ direct: true, text: '/update now', route: { platform: 'feishu', chat: anna } });
    await feishu.menu('检查更新');
    expect((await until('the phrase', () => sink.accepted[3])).text).toBe('检查更新');
    expect(await adapter.send(answer(menu, 'menu'))).toMatchObject({ result: 'sent' });
    expect(feishu.messages().map(({ place, person }) => [place, person])).toEqual([
      ['direct', anna],
      ['direct', anna],
    ]);
  }));

test('a press is in a group where the card is, also by somebody whose direct chat is known', () =>
  withHub({}, async ({ feishu, sink, adapter, answer, asked }) => {
    await feishu.say('/update', { place: 'direct' });
    await until('the direct chat', () => sink.accepted.length === 1);
    await adapter.send(answer(await asked(), 'card', { buttons: [{ label: 'Go', command: '/update now' }] }));
    const [card] = feishu.messages();
    if (!card?.buttons[0]) throw new Error('no button');
    const id = await feishu.press(card, card.buttons[0]);
    const press = await until('the press', () => sink.accepted.find(({ eventId }) => eventId === id));
    expect(press).toMatchObject({ direct: false, route: { chat: card.chat } });
    // A chat that is known as another person's is nobody else's direct chat.
    const [own = ''] = [...sink.remembered.keys()].filter((key) => key.startsWith('direct:'));
    const odd = await feishu.pressRaw(
      { command: '/x' },
      { chat: own.slice('direct:'.length), person: feishu.people.eve },
    );
    const other = await until('the other press', () => sink.accepted.find(({ eventId }) => eventId === odd));
    expect(other).toMatchObject({ direct: false, person: feishu.people.eve });
    await until('the acknowledgement', () => feishu.told(id)?.acknowledgedAt !== undefined);
    expect(feishu.told(id)?.answer).toEqual({});
  }));

test('a button whose command is long, one that nobody knows, and one that is not ours', () =>
  withHub({}, async ({ feishu, sink, adapter, asked, answer }) => {
    const command = `/update now ${'x'.repeat(2_000)}`;
    await adapter.send(answer(await asked(), 'card', { buttons: [{ label: 'Go', command }] }));
    const [card] = feishu.messages();
    if (!card?.buttons[0]) throw new Error('no button');
    expect(card.buttons[0].value.length).toBeLessThan(100);
    await feishu.press(card, card.buttons[0]);
    expect((await until('the press', () => sink.accepted[1])).text).toBe(command);
    sink.commands.clear();
    for (const value of [JSON.parse(card.buttons[0].value), { action: 'old' }, {}, 'text', null]) {
      const id = await feishu.pressRaw(value);
      const press = await until('the press', () => sink.accepted.find(({ eventId }) => eventId === id));
      expect(press).toMatchObject({ text: '', unknownButton: true });
    }
  }));

test('an event in fragments, out of order, arrives once and whole', () =>
  withHub({}, async ({ feishu, sink, asked }) => {
    feishu.fragment(7);
    const text = `/update check ${'更新'.repeat(300)}`;
    expect((await asked(text)).text).toBe(text);
    expect(sink.accepted).toHaveLength(1);
  }));

test('the same message told under two event ids is one event', () =>
  withHub({}, async ({ feishu, sink, asked }) => {
    const { eventId } = await asked();
    const event = feishu.told(eventId)?.body.event as Record<string, unknown>;
    await feishu.tell('im.message.receive_v1', event);
    await until('the second', () => sink.accepted.length === 2);
    expect(sink.events.size).toBe(1);
  }));

test('events told twice, out of order, and while nobody was connected are all told to the core', () =>
  withHub({}, async ({ feishu, sink, state }) => {
    feishu.fault({ on: 'event', do: 'duplicate' });
    const ids = [await feishu.type('one')];
    await until('both', () => sink.accepted.length === 2);
    feishu.fault({ on: 'event', do: 'reorder' });
    ids.push(await feishu.type('two'), await feishu.type('three'));
    await until('three', () => sink.events.size === 3);
    expect(sink.accepted.map(({ text }) => text)).toEqual(['one', 'one', 'three', 'two']);
    feishu.disconnect();
    await until('the loss', () => feishu.connections() === 0);
    ids.push(await feishu.type('four'));
    await state('connected');
    await until('four', () => sink.events.size === 4);
    for (const id of ids) await until('the acknowledgement', () => feishu.acknowledgedAfter(id) !== undefined);
  }));

test('an event that was not stored is refused, told again by the platform, and then acknowledged', () =>
  withHub({ repeatMs: 200 }, async ({ feishu, sink }) => {
    sink.refuseNext = true;
    const id = await feishu.type('/update');
    await until('the acknowledgement', () => feishu.acknowledgedAfter(id) !== undefined);
    expect(feishu.told(id)?.refusals).toBe(1);
    expect(sink.events.has(id)).toBe(true);
  }));

test('an acknowledgement that is lost: the event comes again, with the same id', () =>
  withHub({ repeatMs: 200 }, async ({ feishu, sink }) => {
    feishu.fault({ on: 'acknowledge', do: 'drop' });
    const id = await feishu.type('/update');
    await until('the acknowledgement', () => feishu.acknowledgedAfter(id) !== undefined);
    expect(sink.accepted.map(({ eventId }) => eventId)).toEqual([id, id]);
  }));

test('events of a chat reach the core in their order, though names are asked for first; all within 3 s', () =>
  withHub({}, async ({ feishu, sink }) => {
    const { anna, ben } = feishu.people;
    for (let i = 0; i < 20; i += 1) await feishu.type(String(i), { person: i % 2 === 0 ? anna : ben });
    await until('all', () => sink.accepted.length === 20);
    expect(sink.accepted.map(({ text }) => Number(text))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await until(
      'the last acknowledgement',
      () => feishu.calls().filter(({ what }) => what === 'acknowledge').length === 20,
    );
    expect(feishu.late()).toBe(0);
  }));

test('without the scope for names people have none, and it is asked for once', () =>
  withHub({ before: (feishu) => feishu.withdraw('contact:user.base:readonly') }, async ({ feishu, sink, asked }) => {
    expect((await asked()).personName).toBeUndefined();
    await asked();
    expect(feishu.calls().filter(({ name }) => name.includes('/contact/'))).toHaveLength(1);
    expect(sink.accepted).toHaveLength(2);
  }));

test('bytes, frames and events that are nonsense harm nothing', () =>
  withHub({}, async ({ feishu, sink, asked, adapter }) => {
    feishu.nonsense();
    await feishu.tell('im.message.receive_v1', { message: 1 });
    await feishu.tell('card.action.trigger', {});
    const id = await feishu.tell('something.else', { a: 1 });
    await until('the acknowledgement', () => feishu.told(id)?.acknowledgedAt !== undefined);
    await asked('/update');
    expect(sink.accepted).toHaveLength(1);
    expect(adapter.connection().state).toBe('connected');
  }));
