import { expect, test } from 'vitest';
import type { Source } from '../../../src/domain/app.ts';
import { rowFor } from '../../../src/rollout/new-update.ts';
import { orderOf } from '../../../src/rollout/order.ts';

const release = { version: '1.1.0', channel: 'stable', digest: 'sha256-x' };
const asked = { requestedBy: 'telegram:1', requestedByName: 'Ann', route: null, eventId: null, language: 'en' };
const what = { app: 'robot', device: 'd-1', fromVersion: '1.0.0', toVersion: '1.1.0', withData: false, force: false };
const order = (source: Source | undefined, more: object = { release }) =>
  orderOf(rowFor('u-1', { kind: 'update', ...what, ...asked, ...more }, 0), { id: 'o-1', now: 0, backup: true, source })
    .order;

test('an order says where its release is, where a device may take that from an order', () => {
  const address = 'https://releases.example/robot';
  expect(order({ kind: 'feed', url: address }).release).toEqual({ ...release, source: { kind: 'feed', address } });
  expect(order({ kind: 'feed', url: `${address}?signature=s3cret` }).release).toEqual(release);
  expect(order({ kind: 'npm', package: 'robot' }).release).toEqual(release);
  expect(order(undefined).release).toEqual(release);
  expect(order({ kind: 'feed', url: address }, { kind: 'restart' }).release).toBeUndefined();
});
