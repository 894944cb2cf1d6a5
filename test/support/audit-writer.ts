/** Writes both kinds of audit logs without end, and prints what is on disk, for who kills it: FOLDER. */
import { join } from 'node:path';
import { openAuditLog } from '../../agent/audit/log.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { addAudit } from '../../src/store/audit.ts';
import { openStore } from '../../src/store/open.ts';
import { saveSetting } from '../../src/store/settings.ts';

const folder = process.argv[2] ?? '';
const log = openAuditLog({
  path: join(folder, 'audit.log'),
  device: 'd-1',
  now: Date.now,
  redact: createRedactor(),
  log: () => undefined,
  maxBytes: 4_000,
});
const { db } = await openStore(join(folder, 'hub.db'));
for (let i = 0; ; i += 1) {
  log.append({ what: 'order', order: `o-${i}` });
  const { seq } = await db.transaction().execute(async (trx) => {
    const changed = { at: i, by: 'telegram:1', byName: 'Ann' };
    await saveSetting(trx, { key: 'language', value: String(i), changed });
    return addAudit(trx, { ...changed, action: 'settings', target: 'language', after: String(i) });
  });
  process.stdout.write(`${log.head().seq} ${seq}\n`);
}
