import { linesOf, logFiles } from '../../agent/audit/files.ts';
import { openAuditLog } from '../../agent/audit/log.ts';
import { createSparing } from '../../agent/audit/sparing.ts';
import type { ToolLog } from '../../agent/audit/tools.ts';
import { readLines } from '../../src/cli/audit/device-log.ts';
import { createRedactor } from '../../src/domain/redact.ts';

/** A device's audit log without an agent around it. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export function toolLog(path: string, device: string): ToolLog {
  const log = openAuditLog({
    ...{ path, device, now: clock.now, log: () => undefined },
    redact: createRedactor({ secrets: ['very-secret-4711'] }),
  });
  return { append: log.append, note: log.note, recent: log.recent, sparing: createSparing(log, clock) };
}

/** What it says, oldest first. @throws where its chain is broken */
export function entriesOf(path: string): readonly ({ readonly what: string } & Readonly<Record<string, unknown>>)[] {
  const { entries, findings } = readLines(logFiles(path).flatMap(linesOf), 'device', 'file');
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  return entries.map(({ what, values }) => ({ ...values, what }));
}
