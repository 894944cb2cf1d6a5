import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEVICE_CODES, ORIGIN_CODES } from '../../../src/domain/errors.ts';

test('docs/troubleshooting.md says of each code about devices, sources and releases what to do', () => {
  const page = readFileSync(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const told = (code: string) =>
    rows.some((row) => row.split(' | ')[0]?.includes(`\`${code}\``) && (row.split(' | ')[2] ?? '').length > 20);
  expect([...DEVICE_CODES, ...ORIGIN_CODES].filter((code) => !told(code))).toEqual([]);
});
