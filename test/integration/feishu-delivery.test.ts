import { expect, test } from 'vitest';
import type { Outgoing } from '../../src/chat/contract.ts';
import { withHub } from '../support/feishu/hub.ts';
import { until } from '../support/until.ts';

/** Sending and changing messages, and everything that the platform and the network say to it. */

const MINUTE = 60_000;

test('a card is titled, coloured, answers the message, and calls nobody', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    const nasty = '<at id=all></at> <at user_id="all">x</at> **b** [a](http://b) ```\n<at id=all></at>';
    await adapter.send(
      answer(request, 'k', {
        title: nasty,
        text: [nasty],
        fields: [{ name: nasty, value: nasty }],
        table: { columns: [nasty], rows: [[nasty]] },
        progress: { label: nasty, step: 1, steps: 2, detail: nasty },
        code: nasty,
        buttons: [{ label: nasty, command: nasty }],
        hints: [nasty],
      }),
    );
    const [card] = feishu.messages();
    expect(card?.answers).toBe(request.route.message);
    expect(card?.text).toContain('**b** [a](http://b)');
    expect(feishu.mentions()).toEqual([]);
  }));

test('an answer that is lost on its way back is not sent twice', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const message = answer(await asked(), 'final');
    feishu.fault({ on: 'send', do: 'lose-answer' });
    expect(await adapter.send(message)).toMatchObject({ result: 'retry' });
    expect(await adapter.send(message)).not.toHaveProperty('notSent');
    expect(feishu.messages()).toHaveLength(1);
  }));

test.each([
  ['a cut connection', { on: 'send', do: 'drop' }, {}],
  ['HTTP 502', { on: 'send', do: 'status', status: 502 }, {}],
  ['HTTP 401 without a code', { on: 'send', do: 'status', status: 401 }, {}],
  ['too often', { on: 'send', do: 'rate-limit', retryAfterMs: 3_000 }, { afterMs: 3_000, notSent: true }],
] as const)('%s is tried again', (_, fault, expected) =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const message = answer(await asked(), 'k');
    feishu.fault(fault);
    expect(await adapter.send(message)).toMatchObject({ result: 'retry', ...expected });
    expect(await adapter.send(message)).toMatchObject({ result: 'sent' });
    expect(feishu.messages()).toHaveLength(1);
  }),
);

test('nobody there: it is known that nothing was sent', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const message = answer(await asked(), 'k');
    await feishu.close();
    const delivery = await until('the refusal', async () => {
      const seen = await adapter.send(message);
      return 'notSent' in seen ? seen : undefined;
    });
    expect(delivery).toMatchObject({ result: 'retry', reason: 'ECONNREFUSED' });
  }));

test('a token that ran out is replaced, and what was asked is done once', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    feishu.expireTokens();
    expect(await adapter.send(answer(request, 'a'))).toMatchObject({ result: 'sent' });
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 99991661, status: 200 });
    expect(await adapter.send(answer(request, 'b'))).toMatchObject({ result: 'sent' });
    expect(feishu.tokensGiven()).toBe(3);
    expect(feishu.messages()).toHaveLength(2);
  }));

test('a refusal with HTTP 200 is a refusal', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const message = answer(await asked(), 'k');
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 230020, status: 200 });
    expect(await adapter.send(message)).toMatchObject({ result: 'retry', afterMs: 1_000, notSent: true });
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 230049, status: 200 });
    const unsure = await adapter.send(message);
    expect(unsure).toMatchObject({ result: 'retry' });
    expect(unsure).not.toHaveProperty('notSent');
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 987654, status: 200, msg: 'new' });
    expect(await adapter.send(message)).toMatchObject({ result: 'retry', reason: 'code 987654: new' });
  }));

test('what was asked is deleted: the answer comes without it', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    feishu.remove(request.route.message ?? '');
    expect(await adapter.send(answer(request, 'k'))).toMatchObject({ result: 'sent' });
    expect(feishu.messages()).toMatchObject([{ chat: request.route.chat, answers: undefined }]);
  }));

test('a message that was deleted, or is older than 14 days, or never was, can not be changed', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    const send = async (key: string) => {
      const delivery = await adapter.send(answer(request, key));
      return delivery.result === 'sent' ? delivery.ref : '';
    };
    const [removed, old] = [await send('removed'), await send('old')];
    feishu.remove(removed);
    const edit = (ref: string) => adapter.edit(ref, answer(request, 'k'));
    expect(await edit(removed)).toMatchObject({ result: 'impossible', reason: expect.stringContaining('230011') });
    expect(await edit('om_none')).toMatchObject({ result: 'impossible' });
    feishu.advance(15 * 24 * 60 * MINUTE);
    feishu.expireTokens();
    expect(await edit(old)).toMatchObject({ result: 'impossible', reason: expect.stringContaining('230031') });
  }));

test('the bot is taken out of a chat: said, and not tried for ever', () =>
  withHub({}, async ({ feishu, adapter, asked, answer, logs }) => {
    const request = await asked();
    const delivery = await adapter.send(answer(request, 'a'));
    feishu.member(false);
    expect(await adapter.send(answer(request, 'b'))).toMatchObject({ result: 'impossible' });
    const ref = delivery.result === 'sent' ? delivery.ref : '';
    expect(await adapter.edit(ref, answer(request, 'a'))).toMatchObject({ result: 'impossible' });
    await until('the word of it', () => logs.some((line) => line.startsWith('feishu_removed_from_chat')));
    expect(adapter.connection().state).toBe('connected');
  }));

test('a scope that is missing is said as a problem, and forgotten once it is there', () =>
  withHub({}, async ({ feishu, adapter, asked, answer, sink }) => {
    const message = answer(await asked(), 'k');
    feishu.refuse({
      on: 'POST /open-apis/im/v1/messages',
      code: 99991672,
      msg: 'Access denied: im:message:send_as_bot',
    });
    const before = sink.connectionChanges;
    expect(await adapter.send(message)).toMatchObject({ result: 'retry', notSent: true });
    expect(adapter.connection()).toMatchObject({ state: 'connected', problem: { code: 'chat_permission_missing' } });
    expect(sink.connectionChanges).toBe(before + 1);
    expect(await adapter.send(message)).toMatchObject({ result: 'sent' });
    expect(adapter.connection().problem).toBeUndefined();
  }));

test('a card that the platform does not take is sent with less in it', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const message = answer(await asked(), 'k', {
      text: ['first'],
      code: 'log',
      buttons: [{ label: 'Go', command: '/x' }],
    });
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 230099, msg: 'Failed to create card content' });
    expect(await adapter.send(message)).toMatchObject({ result: 'sent' });
    expect(feishu.messages()[0]?.text).toBe('k\nfirst\n[Go]');
    feishu.refuse({ on: 'POST /open-apis/im/v1/messages', code: 230028, times: 2 });
    expect(await adapter.send(answer(await asked(), 'l'))).toMatchObject({ result: 'impossible' });
  }));

test('a card of any size is taken by the platform: title, buttons and the end of the log are there', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    const long = '更新"\\\n'.repeat(20_000);
    const message: Outgoing = answer(request, 'k', {
      title: `title ${'更'.repeat(5_000)}`,
      text: Array.from({ length: 500 }, (_, i) => `${i} ${'"'.repeat(500)}`),
      fields: Array.from({ length: 200 }, (_, i) => ({ name: `name ${i}`, value: '<&>'.repeat(300) })),
      table: {
        columns: Array.from({ length: 80 }, (_, i) => `c${i}`),
        rows: Array.from({ length: 900 }, () => ['x'.repeat(900)]),
      },
      code: `${long}the end`,
      buttons: Array.from({ length: 60 }, (_, i) => ({ label: `b${i}`, command: `/update now ${'y'.repeat(i * 60)}` })),
      hints: Array.from({ length: 100 }, (_, i) => `/help ${i}`),
    });
    expect(await adapter.send(message)).toMatchObject({ result: 'sent' });
    const [card] = feishu.messages();
    expect(card?.title.startsWith('title ')).toBe(true);
    expect(card?.buttons.length).toBeGreaterThanOrEqual(20);
    const logOnly = answer(request, 'l', { code: `${long}the end` });
    expect(await adapter.send(logOnly)).toMatchObject({ result: 'sent' });
    expect(feishu.messages()[1]?.text.endsWith('the end')).toBe(true);
  }));

test('after a kill in which nobody knows whether it was sent: looked for once the platform has forgotten the key', () => {
  let ahead = 0;
  const now = () => Date.now() + ahead;
  return withHub({ now }, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    const since = now();
    const message = answer(request, 'final', { title: 'done' });
    await adapter.send(message);
    ahead = 3 * 60 * MINUTE;
    feishu.advance(ahead);
    feishu.expireTokens();
    const again = await adapter.send({ ...message, maybeSent: { since } });
    expect(again).toEqual({ result: 'sent', ref: feishu.messages()[0]?.id });
    expect(feishu.messages()).toHaveLength(1);
    // Another one, to the same question, that was never sent.
    const other = answer(request, 'other', { title: 'something else' });
    expect(await adapter.send({ ...other, maybeSent: { since } })).toMatchObject({ result: 'sent' });
    expect(feishu.messages()).toHaveLength(2);
  });
});

test('edits that are lost, refused for their frequency, or answered with 5xx are tried again', () =>
  withHub({}, async ({ feishu, adapter, asked, answer }) => {
    const request = await asked();
    const delivery = await adapter.send(answer(request, 'k'));
    const ref = delivery.result === 'sent' ? delivery.ref : '';
    feishu.fault({ on: 'edit', do: 'lose-answer' });
    feishu.fault({ on: 'edit', do: 'rate-limit', retryAfterMs: 2_000 });
    feishu.fault({ on: 'edit', do: 'status', status: 500 });
    const edit = () => adapter.edit(ref, answer(request, 'k', { title: 'done' }));
    expect(await edit()).toMatchObject({ result: 'retry' });
    expect(await edit()).toMatchObject({ result: 'retry', afterMs: 2_000 });
    expect(await edit()).toMatchObject({ result: 'retry' });
    expect(await edit()).toMatchObject({ result: 'sent', ref });
    expect(feishu.messages()).toMatchObject([{ title: 'done' }]);
  }));
