import { lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSlots, type Slots } from '../../../agent/install/slots.ts';
import { homeLayout } from '../../../config/home.ts';

const KEEP = ['settings.json', 'data'];
let home: string;
let slots: Slots;
let shared: string;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'fettle-kept-'));
  const folder = homeLayout(home, home).app('web');
  shared = folder.shared;
  slots = openSlots(folder);
  await install('a');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function install(slot: string): Promise<void> {
  const root = slots.prepare(slot);
  writeFileSync(join(root, 'settings.json'), 'as released');
  const record = { version: '1.0.0', digest: `sha256-${slot}`, abi: '', sealedAt: 0 };
  await slots.seal(slot, record, KEEP, AbortSignal.timeout(10_000));
}

/** As programs write files that must never be half written. */
function replaceByRename(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test('a kept file that the app replaced by a rename goes on in the next release', async () => {
  const inSlot = join(slots.path('a'), 'settings.json');
  expect(lstatSync(inSlot).isSymbolicLink()).toBe(true);
  replaceByRename(inSlot, 'changed by the app');
  expect(readFileSync(join(shared, 'settings.json'), 'utf8')).toBe('as released');

  expect(slots.collectKept('a', KEEP)).toEqual(['settings.json']);
  expect(lstatSync(inSlot).isSymbolicLink()).toBe(true);
  await install('b');
  for (const slot of ['a', 'b']) {
    expect(readFileSync(join(slots.path(slot), 'settings.json'), 'utf8'), slot).toBe('changed by the app');
  }
  // Nothing is left to collect: what was collected is not taken for new again.
  expect(slots.collectKept('a', KEEP)).toEqual([]);
});

test('a kept folder that was replaced by a rename, too', () => {
  const inSlot = join(slots.path('a'), 'data');
  writeFileSync(join(inSlot, 'old'), 'x');
  mkdirSync(`${inSlot}.new`);
  writeFileSync(join(`${inSlot}.new`, 'notes'), 'rewritten');
  rmSync(inSlot);
  renameSync(`${inSlot}.new`, inSlot);

  expect(slots.collectKept('a', KEEP)).toEqual(['data']);
  expect(readFileSync(join(shared, 'data', 'notes'), 'utf8')).toBe('rewritten');
  expect(readFileSync(join(inSlot, 'notes'), 'utf8')).toBe('rewritten');
});
