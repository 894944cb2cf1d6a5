import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createBackupReader } from '../../../src/gateway/backup-reader.ts';
import type { HubMessage } from '../../../src/protocol/messages.ts';

const backup = { seq: 3, at: 1, from: '1.0.0', to: '1.1.0', bytes: 5, files: 1, ofRunning: true };

function stage(connected = true) {
  const sent: (HubMessage & { type: 'list-backups' })[] = [];
  const send = (_device: string, message: HubMessage) => {
    if (message.type === 'list-backups') sent.push(message);
    return connected;
  };
  return {
    sent,
    reader: createBackupReader(
      () => ({ send }),
      (length) => randomBytes(length),
    ),
  };
}
const ask = (reader: ReturnType<typeof stage>['reader'], signal = AbortSignal.timeout(5_000)) =>
  reader.list('d-1', 'robot', 'web', signal);

test('two questions at once each get their own answer', async () => {
  const { reader, sent } = stage();
  const [first, second] = [ask(reader), ask(reader)];
  reader.answer('d-1', { type: 'backups', request: sent[1]?.request ?? '', backups: [] });
  reader.answer('d-1', { type: 'backups', request: sent[0]?.request ?? '', backups: [backup] });
  reader.answer('d-1', { type: 'backups', request: 'of nobody', backups: [] });
  expect(await first).toEqual({ backups: [backup], strange: [] });
  expect(await second).toEqual({ backups: [], strange: [] });
});

test('a device that is away, or does not answer, is offline', async () => {
  const offline = { code: 'device_offline', data: { device: 'robot', app: 'web' } };
  await expect(ask(stage(false).reader)).rejects.toMatchObject(offline);
  await expect(ask(stage().reader, AbortSignal.timeout(20))).rejects.toMatchObject(offline);
  await expect(ask(stage().reader, AbortSignal.abort())).rejects.toMatchObject(offline);
});

test("the device's own refusal is passed on; one of a newer device is told as ours to mend", async () => {
  for (const [code, told] of [
    ['capability_denied', 'capability_denied'],
    ['flux_inverted', 'internal'],
  ] as const) {
    const { reader, sent } = stage();
    const asked = ask(reader);
    const problem = { code, data: { app: 'web' }, retryable: false };
    reader.answer('d-1', { type: 'backups', request: sent[0]?.request ?? '', backups: [], problem });
    await expect(asked).rejects.toMatchObject({ code: told });
  }
});
