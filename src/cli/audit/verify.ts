import { existsSync } from 'node:fs';
import type { HomeLayout } from '../../../config/home.ts';
import { type AuditReader, openAuditReader } from '../../store/audit-reader.ts';
import { compare } from './compare.ts';
import { type DeviceFile, givenLog, ownLog } from './device-files.ts';
import { deviceIn, type Entry, readLines } from './device-log.ts';
import { type Finding, note, wrong } from './finding.ts';
import { type HubLog, readHubLog } from './hub-log.ts';

export interface VerifyOptions {
  readonly layout: HomeLayout;
  /** Logs that were taken from devices by hand. */
  readonly files: readonly string[];
  /** What is older is told, and is no failure any more; milliseconds since 1970. */
  readonly since: number | undefined;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

interface Summary {
  readonly log: string;
  readonly entries: number;
  readonly line: string;
}

/**
 * `fettle audit verify`: the hub's chain, each device's, and whether they agree; on a device without a hub its own. Changes
 * nothing. 0: nothing is wrong · 1: something is · 2: there is nothing to verify
 */
export async function verifyAudit(options: VerifyOptions): Promise<0 | 1 | 2> {
  const { layout, print, json } = options;
  const own = ownLog(layout);
  const read = options.files.map(givenLog);
  const given = read.filter((file) => typeof file !== 'string');
  const unread = read.filter((file) => typeof file === 'string');
  for (const why of unread) print(json ? JSON.stringify({ problem: why, exit: 2 }) : why);
  if (unread.length > 0) return 2;
  const there = existsSync(layout.hub.db);
  if (!there && !own && given.length === 0) {
    print(`There is no hub and no agent in ${layout.home}, and so no audit log. \`--home\` says where one is.`);
    return 2;
  }
  const { summaries, findings: found } = there ? withHub(layout, own, given) : withoutHub(own, given);
  const findings = found.map((finding) => {
    const old = options.since !== undefined && finding.at !== undefined && finding.at < options.since;
    return old && finding.level === 'wrong' ? { ...finding, level: 'note' as const } : finding;
  });
  const bad = findings.filter(({ level }) => level === 'wrong').length;
  const exit = bad === 0 ? 0 : 1;
  if (json) {
    print(JSON.stringify({ logs: summaries.map(({ log, entries }) => ({ log, entries })), findings, exit }));
    return exit;
  }
  for (const { line } of summaries) print(line);
  for (const level of ['note', 'wrong'] as const)
    for (const { log, text } of findings.filter((finding) => finding.level === level))
      print(`${level === 'wrong' ? '!' : '-'} ${log}: ${text}`);
  print(
    bad === 0 ? 'Nothing is wrong.' : `${bad === 1 ? 'One thing is' : `${bad} things are`} wrong: the lines with !`,
  );
  return exit;
}

function withoutHub(own: DeviceFile | undefined, given: readonly DeviceFile[]) {
  const summaries: Summary[] = [];
  const findings: Finding[] = [];
  for (const { path, lines } of [...(own ? [own] : []), ...given]) {
    const read = readLines(lines, path, 'file');
    summaries.push(summaryOf(path, read.entries, read.findings));
    findings.push(...read.findings);
  }
  findings.push(
    note(
      'hub',
      'no_hub',
      'There is no hub here: only the chain was checked. On the hub, `fettle audit verify FILE` compares.',
    ),
  );
  return { summaries, findings };
}

function withHub(layout: HomeLayout, own: ReturnType<typeof ownLog>, given: readonly DeviceFile[]) {
  const reader = openAuditReader(layout.hub.db);
  try {
    if (!reader.chained) {
      const text = 'No version that chains it has opened the database yet: start the hub once.';
      return { summaries: [], findings: [wrong('hub', 'not_chained', text)] };
    }
    const hub = readHubLog(reader);
    const hubWrong = hub.findings.some(({ level }) => level === 'wrong');
    const summaries: Summary[] = [
      {
        log: 'hub',
        entries: hub.entries,
        line: `hub: ${hub.entries} entries, ${hubWrong ? 'the chain is broken' : 'chained'}`,
      },
    ];
    const findings = [...hub.findings];
    const names = new Map(reader.devices().map(({ id, name }) => [id, name]));
    const files = assign(reader, names, own, given, findings);
    for (const [id, name] of names) {
      const { summary, findings: more } = oneDevice(reader, hub, { id, name }, files.get(id) ?? []);
      summaries.push(summary);
      // Two devices may have seen that the hub's log was cut: once is enough.
      for (const finding of more)
        if (finding.log !== 'hub' || !findings.some(({ code }) => code === finding.code)) findings.push(finding);
    }
    return { summaries, findings };
  } finally {
    reader.close();
  }
}

/** Which device each file is of: by its first line, else by an entry that the hub has a copy of. */
function assign(
  reader: AuditReader,
  names: Map<string, string>,
  own: ReturnType<typeof ownLog>,
  given: readonly DeviceFile[],
  findings: Finding[],
): Map<string, DeviceFile[]> {
  const files = new Map<string, DeviceFile[]>();
  const add = (device: string, file: DeviceFile) => files.set(device, [...(files.get(device) ?? []), file]);
  if (own && names.has(own.device)) add(own.device, own);
  for (const file of given) {
    const { entries } = readLines(file.lines, file.path, 'file');
    const known = new Set(entries.map(({ hash }) => hash));
    const device =
      deviceIn(entries) ??
      [...names.keys()].find((id) =>
        reader.copies(id).some(({ line }) => known.has(/"hash":"([0-9a-f]+)"\}$/.exec(line)?.[1] ?? '')),
      );
    if (device === undefined)
      findings.push(wrong(file.path, 'whose', 'It names no device, and no entry of it was ever told to this hub.'));
    else {
      if (!names.has(device)) names.set(device, device);
      add(device, file);
    }
  }
  return files;
}

function oneDevice(
  reader: AuditReader,
  hub: HubLog,
  device: { readonly id: string; readonly name: string },
  files: readonly DeviceFile[],
): { readonly summary: Summary; readonly findings: readonly Finding[] } {
  const { name } = device;
  const findings: Finding[] = [];
  const all = new Map<string, Entry>();
  const copies = reader.copies(device.id);
  const copied = new Map<number, string[]>();
  for (const branch of new Set(copies.map((copy) => copy.branch))) {
    const rows = copies.filter((copy) => copy.branch === branch);
    const read = readLines(
      rows.map(({ line }) => line),
      name,
      'copy',
    );
    // A branch goes on from the entry that both have, which is why it does not begin with 1.
    findings.push(...read.findings.filter(({ code }) => branch === 1 || code !== 'begins_late'));
    for (const entry of read.entries) {
      all.set(entry.hash, entry);
      copied.set(entry.n, [...(copied.get(entry.n) ?? []), entry.hash]);
    }
    if (branch > 1) {
      const from = rows[0];
      const since = from && new Date(from.received_at).toISOString();
      findings.push(
        wrong(
          name,
          'another_log',
          `On ${since} its log became another one, after entry ${from?.n}: the device was put back from a backup, two machines run with one identity, or its log was cut or rewritten.`,
          from?.received_at,
        ),
      );
    }
  }
  const byNumber = new Map<number, string>();
  for (const file of files) for (const line of file.lines) byNumber.set(Number(/^\{"n":(\d+)/.exec(line)?.[1]), line);
  if (files.length > 0) {
    const lines = [...byNumber].sort(([a], [b]) => a - b).map(([, line]) => line);
    const read = readLines(lines, name, 'file');
    findings.push(...read.findings);
    const other = read.entries.find(({ n, hash }) => copied.has(n) && !copied.get(n)?.includes(hash));
    if (other)
      findings.push(
        wrong(
          name,
          'copy_differs',
          `Entry ${other.n} is another one in the file than in the hub's copy: one of them was changed after it was told. The file is the device's own word.`,
          other.at,
        ),
      );
    for (const entry of read.entries) all.set(entry.hash, entry);
    const end = read.entries.at(-1)?.n ?? 0;
    const told = Math.max(0, ...copied.keys());
    if (end < told)
      findings.push(note(name, 'file_older', `The file ends with entry ${end}, and the hub was told up to ${told}.`));
  }
  const entries = [...all.values()];
  const result = compare(hub, device, entries);
  findings.push(...result.findings);
  const chain = summaryOf(
    name,
    entries,
    findings.filter(({ code }) => code.startsWith('entry_')),
  );
  const { sent, received, explained, results } = result;
  const { tools } = result;
  const used =
    tools.asked === 0 ? '' : `; ${tools.asked} tools asked for, ${tools.received} received, ${tools.results} agree`;
  const line = `${chain.line}; ${sent} orders sent, ${received} received, ${explained} explained; ${results} results agree${used}`;
  return { summary: { ...chain, line }, findings };
}

function summaryOf(log: string, entries: readonly Entry[], findings: readonly Finding[]): Summary {
  const broken = findings.some(({ level }) => level === 'wrong');
  return {
    log,
    entries: entries.length,
    line: `${log}: ${entries.length} entries, ${broken ? 'the chain is broken' : 'chained'}`,
  };
}
