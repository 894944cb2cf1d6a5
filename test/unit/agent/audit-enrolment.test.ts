import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteJoined, takeJoined } from '../../../agent/audit/enrolment.ts';
import { joinedFile } from '../../../agent/audit/files.ts';
import { type HomeLayout, homeLayout } from '../../../config/home.ts';
import { makeFolder } from '../../../src/files/durable.ts';
import { openKey } from '../../../src/protocol/key.ts';
import { entriesOf, toolLog } from '../../support/tool-log.ts';

let layout: HomeLayout;
beforeEach(() => {
  layout = homeLayout(mkdtempSync(join(tmpdir(), 'fettle-joined-')), '/run/x');
  makeFolder(layout.agent.dir);
});
afterEach(() => rmSync(layout.home, { recursive: true, force: true }));

const note = (name: string, newKey = false) =>
  noteJoined(layout, {
    ...{ device: 'd-1', name, address: 'wss://hub.example/agent', newKey, uid: 0 },
    hubKey: openKey(join(layout.home, 'hub-key')).publicKey,
    ownKey: openKey(join(layout.home, 'own-key')).publicKey,
  });

test('each joining is in the log once, in its order, whoever writes it down; until then it stays noted', () => {
  note('robot-7');
  note('robot-8', true);
  const file = joinedFile(layout.agent.dir);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const full = () => {
    throw new Error('no space');
  };
  expect(() => takeJoined(layout, { append: full })).toThrow('no space');
  expect(existsSync(file)).toBe(true);
  const log = toolLog(layout.agent.audit, 'd-1');
  for (let i = 0; i < 2; i += 1) takeJoined(layout, log);
  const joined = entriesOf(layout.agent.audit).filter(({ what }) => what === 'joined');
  expect(joined.map(({ name, newKey }) => [name, newKey])).toEqual([
    ['robot-7', false],
    ['robot-8', true],
  ]);
  for (const { key, own } of joined) {
    expect([key, own]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(key).not.toBe(own);
  }
  expect(existsSync(file)).toBe(false);
});
