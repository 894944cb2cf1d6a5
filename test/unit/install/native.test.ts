import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { unfitModule } from '../../../agent/install/native.ts';

let slot: string;
beforeEach(() => {
  slot = mkdtempSync(join(tmpdir(), 'fettle-native-'));
});
afterEach(() => rmSync(slot, { recursive: true, force: true }));

const put = (path: string, symbols: string) => {
  mkdirSync(dirname(join(slot, path)), { recursive: true });
  writeFileSync(join(slot, path), Buffer.from(`\x7fELF\0\xff${symbols}\0`, 'latin1'));
};

it('a module for the ABI of then, and not for that of now, is named by its package', () => {
  put('node_modules/@me/db/build/Release/db.node', 'node_register_module_v127');
  expect(unfitModule(slot, '127', '137')).toBe('node_modules/@me/db');
  expect(unfitModule(slot, '137', '137')).toBeUndefined();
});

it('modules for every ABI, for several, and for none that was used here, are fine', () => {
  put('node_modules/napi/a.node', 'napi_register_module_v1');
  put('node_modules/many/linux-127.node', 'node_register_module_v127');
  put('node_modules/many/linux-137.node', 'node_register_module_v137');
  put('node_modules/other/electron.node', 'node_register_module_v116');
  expect(unfitModule(slot, '127', '137')).toBeUndefined();
});
