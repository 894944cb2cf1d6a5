import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteJoined } from '../../agent/audit/enrolment.ts';
import { logFiles } from '../../agent/audit/files.ts';
import { readLines } from '../../src/cli/audit/device-log.ts';
import { openKey } from '../../src/protocol/key.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** What a real agent writes down of what it is told, before it does it, and after. */

let device: Device;
beforeEach(async () => {
  device = await makeDevice();
  await device.startAgent();
}, 60_000);
afterEach(() => device.close());

function log(): { what: string; [key: string]: unknown }[] {
  const lines = logFiles(device.layout.agent.audit).flatMap((file) =>
    readFileSync(file, 'utf8').split('\n').slice(0, -1),
  );
  const { entries, findings } = readLines(lines, 'device', 'file');
  expect(findings).toEqual([]);
  return entries.map(({ what, values }) => ({ ...values, what }));
}

const answerTo = (update: string) =>
  until(`an answer to ${update}`, () => device.messages.find((m) => m.type === 'order-ack' && m.update === update));

test('an order that is taken, one that is refused, one for an update that is known, and the end', {
  timeout: 120_000,
}, async () => {
  const update = await device.order('install', '1.0.0');
  await device.outcome(update);
  const refused = await device.order('update', '1.0.0', { app: 'other' });
  expect(await answerTo(refused)).toMatchObject({ accepted: false, problem: { code: 'capability_denied' } });
  await device.order('install', '1.0.0', { update, id: 'o-again' });
  await until('the repeated order', () => log().some(({ order }) => order === 'o-again'));
  const of = ({ what, update: id, verdict, state }: Record<string, unknown>) => [what, id, verdict ?? state];
  expect(
    log()
      .filter(({ what }) => what === 'order' || what === 'done')
      .map(of),
  ).toEqual([
    ['order', update, 'taken'],
    ['done', update, 'succeeded'],
    ['order', refused, 'capability_denied'],
    ['order', update, 'known'],
  ]);
  const taken = log().find(({ verdict }) => verdict === 'taken');
  expect(taken).toMatchObject({ app: 'app', kind: 'install', to: '1.0.0' });
  expect(taken?.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(taken?.frame).toMatch(/^[0-9a-f]{64}$/);
  expect(taken?.key).toMatch(/^[0-9a-f]{32}$/);
  expect(statSync(device.layout.agent.audit).mode & 0o777).toBe(0o600);
  await until('the hub to be told where the log stands', () => device.messages.some((m) => m.type === 'audit'));
});

test('one that can not be written down is not taken, and the app runs on', { timeout: 120_000 }, async () => {
  await device.outcome(await device.order('install', '1.0.0'));
  const path = device.layout.agent.audit;
  renameSync(path, `${path}-away`);
  mkdirSync(path);
  const update = await device.order('restart');
  expect(await answerTo(update)).toMatchObject({ accepted: false, problem: { code: 'io_failed' } });
  expect(device.journal(update)).toBeUndefined();
  expect(await device.version()).toBe('1.0.0');
  rmSync(path, { recursive: true });
  renameSync(`${path}-away`, path);
  const next = await device.order('restart');
  expect((await device.outcome(next)).state).toBe('succeeded');
  // What was refused meanwhile was noted, and is there now.
  expect(log().map(({ update: id, verdict }) => [id, verdict])).toContainEqual([update, 'io_failed']);
});

test('killed before the end was written down: the next agent writes it, once', { timeout: 120_000 }, async () => {
  const update = await device.order('install', '1.0.0');
  await device.outcome(update);
  await device.stopAgent();
  const path = device.layout.agent.audit;
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const done = lines.findIndex((line) => line.includes('"what":"done"'));
  // As if it had died between its journal and its log.
  writeFileSync(
    path,
    lines
      .slice(0, done)
      .map((line) => `${line}\n`)
      .join(''),
  );
  for (let i = 0; i < 2; i += 1) {
    await device.startAgent();
    await until('the end in the log', () => log().some(({ what }) => what === 'done'));
    await device.stopAgent();
  }
  expect(log().filter(({ what, update: id }) => what === 'done' && id === update)).toHaveLength(1);
});

test('a setting that the hub changes, once; an update that it cancels; the hub that the device was joined to', {
  timeout: 120_000,
}, async () => {
  const of = (what: string) => log().filter((entry) => entry.what === what);
  for (const retentionDays of [14, 5, 5]) await device.say({ type: 'settings', retentionDays });
  await until('the setting', () => of('setting').length > 0);
  // An agent that lives is the only one that writes: what a command has noted is taken at its next look, or its start.
  noteJoined(device.layout, {
    ...{ device: 'd-1', name: 'robot-7', address: 'wss://hub.example/agent', newKey: true, uid: 0 },
    hubKey: openKey(device.layout.hub.key).publicKey,
    ownKey: openKey(device.layout.agent.key).publicKey,
  });
  await device.stopAgent();
  await device.startAgent();
  expect(of('joined')).toMatchObject([{ name: 'robot-7', newKey: true, address: 'wss://hub.example/agent' }]);
  const update = await device.order('install', '1.0.0');
  await until('its state', () => device.messages.some((m) => m.type === 'report' && m.update === update));
  device.cancel(update);
  const answer = await until('the answer', () => device.messages.find((m) => m.type === 'cancel-result'));
  await device.outcome(update);
  const taken = answer.type === 'cancel-result' && answer.accepted;
  expect(of('cancel').map(({ update: id }) => id)).toEqual(taken ? [update] : []);
  expect(of('setting').map(({ setting, before, after, key }) => [setting, before, after, typeof key])).toEqual([
    ['retentionDays', 14, 5, 'string'],
  ]);
  // The same key signed the setting and is the one that the device was joined with.
  expect(of('setting')[0]?.key).toBe(of('joined')[0]?.key);
});
