import type { Entry } from './device-log.ts';
import { day, type Finding, note, wrong } from './finding.ts';
import type { HubLog } from './hub-log.ts';

/** What comparing the tools and policies of one device with the hub came to. */
export interface ComparedTools {
  readonly asked: number;
  readonly received: number;
  readonly results: number;
  readonly findings: readonly Finding[];
}

/**
 * Compares which tools the hub says that it asked for with what a device says that it was asked, in both directions; what
 * each says of the end; and which policies a device took with those that the hub offered. Pure.
 *
 * @param entries what is known of the device's log since it belongs to this hub
 * @param seenUpTo the newest entry of the hub's log that the device has seen
 */
export function compareTools(
  hub: HubLog,
  device: { readonly id: string; readonly name: string },
  entries: readonly Entry[],
  seenUpTo: number,
): ComparedTools {
  const { name } = device;
  const findings: Finding[] = [];
  const say = (code: string, text: string, at: number) => findings.push(wrong(name, code, text, at));
  const requests = entries.filter(({ what }) => what === 'tool');
  /** The last word on each request: one that was refused for lack of room may come again. */
  const got = new Map<string, Entry>();
  for (const entry of requests) {
    const { values, at, n } = entry;
    const id = String(values.request);
    if (values.verdict !== 'known' || !got.has(id)) got.set(id, entry);
    const sent = hub.tools.get(id);
    const about = `The tool ${values.tool} (${id}, ${day(at)}, entry ${n} of ${name})`;
    if (!sent)
      say(
        'unknown_tool',
        `${about}: this hub's log has no such request. Somebody else holds the hub's key, or the hub's log is not the one it was.`,
        at,
      );
    else if (sent.device !== device.id) say('other_device', `${about} was for another device (${sent.device}).`, at);
    else if (sent.digest !== values.digest)
      say('other_tool', `${about} is not what the hub wrote down as asked: another tool, or other arguments.`, at);
  }

  const onlyCounted = entries.some(({ what }) => what === 'refused-more');
  const mine = [...hub.tools.values()].filter((sent) => sent.device === device.id);
  for (const sent of mine) {
    if (got.has(sent.request)) continue;
    const end = hub.toolEnds.get(sent.request);
    const about = `The tool ${sent.tool} (${sent.request}, ${day(sent.at)})`;
    // The hub gave it up, as the device was away; or it was refused when refusals were only counted.
    if ((end && !end.byDevice) || (end && onlyCounted && !end.result.startsWith('ended'))) continue;
    // An agent that has never written of a tool may be one that does not.
    if (sent.seq < seenUpTo && requests.length > 0)
      say(
        'tool_missing',
        `${about} was asked for, and ${name} has later entries but none of it: its log was changed, or somebody kept it from the device.`,
        sent.at,
      );
    else findings.push(note(name, 'not_told', `${about} was asked for, and ${name} has not told of it yet.`, sent.at));
  }

  const ended = new Map(
    entries.filter(({ what }) => what === 'tool-end').map((entry) => [String(entry.values.request), entry]),
  );
  let results = 0;
  for (const [request, { values }] of got) {
    const here = hub.toolEnds.get(request);
    const refused = values.verdict !== 'taken' && values.verdict !== 'known';
    const there = refused ? String(values.verdict) : ended.get(request)?.values.result;
    if (!here?.byDevice) continue;
    if (there === here.result) results += 1;
    else if (there !== undefined)
      say(
        'result_differs',
        `${request} (${values.tool}): the hub has "${here.result}", and ${name} wrote down "${String(there)}".`,
        here.at,
      );
    else if (here.seq < seenUpTo)
      say(
        'result_missing',
        `${request} (${values.tool}): the hub has "${here.result}" from ${name}, whose log has no end of it.`,
        here.at,
      );
  }

  for (const { what, values, at, n } of entries) {
    if (what !== 'policy' || values.verdict !== 'taken') continue;
    if (!hub.policies.has(`${device.id} ${String(values.digest)}`))
      say(
        'unknown_policy',
        `Policy ${String(values.number)} (${day(at)}, entry ${n} of ${name}): this hub's log does not say that it offered it.`,
        at,
      );
  }
  return { asked: mine.length, received: mine.filter(({ request }) => got.has(request)).length, results, findings };
}

/**
 * From which entry on a device's log is about this hub: a device that was joined anew under another identity, or to another
 * hub, goes on with its log, and what is before is between it and the hub of then. 0 where nothing says so.
 */
export function joinedAt(entries: readonly Entry[]): number {
  const joined = entries.filter(({ what }) => what === 'joined').sort((a, b) => a.n - b.n);
  const last = joined.at(-1);
  if (!last) return 0;
  const same = ({ values }: Entry) => values.device === last.values.device && values.key === last.values.key;
  const other = joined.findLastIndex((entry) => !same(entry));
  return joined[other + 1]?.n ?? 0;
}
