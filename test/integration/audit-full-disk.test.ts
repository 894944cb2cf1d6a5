import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { linesOf } from '../../agent/audit/files.ts';
import { openAuditLog } from '../../agent/audit/log.ts';
import { readLines } from '../../src/cli/audit/device-log.ts';
import { createRedactor } from '../../src/domain/redact.ts';

/** A device's audit log on a disk that is full. Needs the right to mount. */

const folder = mkdtempSync(join(tmpdir(), 'fettle-audit-full-'));
const small = join(folder, 'small');
mkdirSync(small);

const refusal = (() => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

afterAll(() => {
  if (refusal === undefined) execFileSync('umount', ['-l', small]);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(refusal !== undefined)(`an audit log on a full disk${refusal ? ` (not run: ${refusal})` : ''}`, () => {
  test('says no_space, leaves nothing half there, and goes on with what was noted when there is room', () => {
    const path = join(small, 'audit.log');
    const log = openAuditLog({ path, device: 'd-1', now: Date.now, redact: createRedactor(), log: () => undefined });
    log.append({ what: 'order', order: 'o-1' });
    const { bavail, bsize } = statfsSync(small);
    writeFileSync(join(small, 'filler'), Buffer.alloc(bavail * bsize));
    // Until the last block that the file has is full.
    let taken = 0;
    let code = '';
    for (let i = 0; i < 100 && code === ''; i += 1) {
      try {
        log.append({ what: 'order', order: `o-${i}` });
        taken += 1;
      } catch (error) {
        code = (error as { code: string }).code;
      }
    }
    expect(code).toBe('no_space');
    log.note({ what: 'done', update: 'u-1' });
    const check = () => {
      const { entries, findings } = readLines(linesOf(path), 'd-1', 'file');
      expect(findings).toEqual([]);
      return entries.map(({ what }) => what);
    };
    expect(check()).toHaveLength(2 + taken);
    unlinkSync(join(small, 'filler'));
    log.append({ what: 'order', order: 'o-last' });
    expect(check().slice(-2)).toEqual(['done', 'order']);
  });
});
