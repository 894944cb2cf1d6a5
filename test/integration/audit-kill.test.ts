import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { linesOf, logFiles } from '../../agent/audit/files.ts';
import { readLines } from '../../src/cli/audit/device-log.ts';
import { readHubLog } from '../../src/cli/audit/hub-log.ts';
import { openAuditReader } from '../../src/store/audit-reader.ts';

/** Killed at any instant: whatever was said to be written is, chain and change together, and the next goes on. */

test('a process that writes both logs is killed twelve times', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-audit-kill-'));
  try {
    for (let round = 0; round < 12; round += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, '../support/audit-writer.ts'), folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        // After another number of writes each time: the kill falls into the next one, wherever that is.
        if (said.split('\n').length > 3 + round * 2) child.kill('SIGKILL');
      });
      await once(child, 'close');
      const [n, seq] = (said.split('\n').at(-2) ?? '').split(' ').map(Number);

      const device = readLines(logFiles(join(folder, 'audit.log')).flatMap(linesOf), 'd-1', 'file');
      expect(device.findings.filter(({ level }) => level === 'wrong')).toEqual([]);
      expect(device.entries.at(-1)?.n).toBeGreaterThanOrEqual(n ?? 0);

      const reader = openAuditReader(join(folder, 'hub.db'));
      const hub = readHubLog(reader);
      reader.close();
      expect(hub.findings).toEqual([]);
      expect(hub.entries).toBeGreaterThanOrEqual(seq ?? 0);
      // The change and its entry are there, or neither.
      const db = new BetterSqlite3(join(folder, 'hub.db'));
      const last = db.prepare('select after from audit order by seq desc limit 1').get() as { after: string };
      expect(db.prepare("select value from settings where key = 'language'").get()).toEqual({ value: last.after });
      db.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
