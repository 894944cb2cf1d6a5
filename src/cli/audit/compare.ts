import { type ComparedTools, compareTools, joinedAt } from './compare-tools.ts';
import type { Entry } from './device-log.ts';
import { day, type Finding, note, wrong } from './finding.ts';
import type { HubLog } from './hub-log.ts';

/** What comparing one device with the hub came to. */
export interface Compared {
  readonly sent: number;
  readonly received: number;
  readonly explained: number;
  readonly results: number;
  readonly tools: ComparedTools;
  readonly findings: readonly Finding[];
}

const UNKNOWN =
  "this hub's log has no such order. Somebody else holds the hub's key, or the end of the hub's log was cut off, or an old database was put back";

/**
 * Compares what the hub says that it sent with what a device says that it got, in both directions, and what each says of
 * the results. Pure.
 *
 * @param entries everything that is known of the device's log: of the file, and of the hub's copies
 */
export function compare(
  hub: HubLog,
  device: { readonly id: string; readonly name: string },
  all: readonly Entry[],
): Compared {
  const { name } = device;
  const findings: Finding[] = [];
  const since = joinedAt(all);
  const entries = all.filter(({ n }) => n >= since);
  const older = all.filter(({ n, what }) => n < since && (what === 'order' || what === 'tool'));
  if (older.length > 0)
    findings.push(
      note(
        name,
        'before_joining',
        `${older.length} orders and tools are from before it was joined to this hub (entry ${since}): they are not compared.`,
      ),
    );
  const orders = entries.filter(({ what, values }) => what === 'order' && values.local === undefined);
  const links = entries.flatMap(({ values, at, n }) => {
    const link = values.hub as { seq?: unknown; hash?: unknown } | undefined;
    return typeof link?.seq === 'number' && typeof link.hash === 'string'
      ? [{ seq: link.seq, hash: link.hash, at, n }]
      : [];
  });

  // The hub's own log, as this device saw it.
  for (const { seq, hash, at, n } of links) {
    const now = hub.hashes.get(seq);
    if (now === undefined) {
      findings.push(
        wrong(
          'hub',
          'log_cut',
          `${name} saw entry ${seq} of the hub's log on ${day(at)} (its entry ${n}), and there is none: the end of the hub's log was cut off, or an old database was put back.`,
          at,
        ),
      );
      break;
    }
    if (now !== hash) {
      findings.push(
        wrong(
          'hub',
          'log_rewritten',
          `${name} saw entry ${seq} of the hub's log on ${day(at)} (its entry ${n}), and it was another one: the hub's log was written anew.`,
          at,
        ),
      );
      break;
    }
  }

  // What the device took was sent by this hub.
  const firstLinked = orders.find(({ values }) => values.hub !== undefined)?.n ?? Number.POSITIVE_INFINITY;
  const got = new Map<string, Entry>();
  let early = 0;
  for (const entry of orders) {
    const { values, at, n } = entry;
    const id = String(values.order);
    const sent = hub.orders.get(id);
    got.set(id, entry);
    const about = `Order ${id} (${values.kind} of ${values.app}, ${day(at)}, entry ${n} of ${name})`;
    if (!sent && values.hub === undefined && n < firstLinked && links.length > 0) early += 1;
    else if (!sent) findings.push(wrong(name, 'unknown_order', `${about}: ${UNKNOWN}.`, at));
    else if (sent.device !== device.id)
      findings.push(wrong(name, 'other_device', `${about} was for another device (${sent.device}).`, at));
    else if (sent.digest !== values.digest)
      findings.push(wrong(name, 'other_order', `${about} is not the text that the hub wrote down as sent.`, at));
  }
  if (early > 0)
    findings.push(note(name, 'before_log', `${early} orders are from before this hub wrote down what it sent.`));

  // What the hub sent came, or it is known why not.
  const seenUpTo = Math.max(0, ...links.map(({ seq }) => seq));
  const seenFrom = Math.min(...links.map(({ seq }) => seq));
  const onlyCounted = entries.some(({ what }) => what === 'refused-more');
  const mine = [...hub.orders.values()].filter((order) => order.device === device.id);
  let explained = 0;
  const earlier = new Set(older.map(({ values }) => values.order));
  for (const order of mine) {
    if (got.has(order.id) || earlier.has(order.id)) continue;
    const about = `Order ${order.id} for ${order.app} (${day(order.at)})`;
    const end = hub.ends.get(order.update);
    const denied = hub.denied.has(order.id);
    if (hub.unanswered.has(order.id) || (end && !end.byDevice && !denied) || (denied && onlyCounted)) explained += 1;
    else if (entries.length === 0 || (order.seq < seenFrom && links.length > 0))
      findings.push(note(name, 'no_log_then', `${about} was sent before ${name} told of a log.`, order.at));
    else if (order.seq < seenUpTo)
      findings.push(
        wrong(
          name,
          'order_missing',
          `${about} was sent, and ${name} has later ones but not this one: its log was changed, or somebody kept the order from it.`,
          order.at,
        ),
      );
    else findings.push(note(name, 'not_told', `${about} was sent, and ${name} has not told of it yet.`, order.at));
  }

  const results = compareResults(hub, name, entries, got, seenUpTo, findings);
  const tools = compareTools(hub, device, entries, seenUpTo);
  findings.push(...tools.findings);
  const received = mine.filter(({ id }) => got.has(id)).length;
  return { sent: mine.length, received, explained, results, tools, findings };
}

function compareResults(
  hub: HubLog,
  name: string,
  entries: readonly Entry[],
  got: ReadonlyMap<string, Entry>,
  seenUpTo: number,
  findings: Finding[],
): number {
  const ended = new Map(
    entries.filter(({ what }) => what === 'done').map((entry) => [String(entry.values.update), entry]),
  );
  let agree = 0;
  for (const { values } of new Map([...got.values()].map((entry) => [entry.values.update, entry])).values()) {
    const update = String(values.update);
    const here = hub.ends.get(update);
    const there = ended.get(update);
    if (!here) {
      if (there)
        findings.push(
          note(
            name,
            'end_not_heard',
            `${update}: ${name} says ${there.values.state}, and the hub has not heard of its end.`,
            there.at,
          ),
        );
      continue;
    }
    if (!there) {
      const refused = values.verdict !== 'taken' && values.verdict !== 'known';
      if (refused && here.byDevice)
        findings.push(
          wrong(
            name,
            'result_differs',
            `${update}: the hub has "${here.state}" from ${name}, which says that it refused it (${values.verdict}).`,
            here.at,
          ),
        );
      else if (!refused && here.byDevice && here.seq < seenUpTo)
        findings.push(
          wrong(
            name,
            'result_missing',
            `${update}: the hub has "${here.state}" from ${name}, whose log has no end of it.`,
            here.at,
          ),
        );
      else agree += 1;
      continue;
    }
    if (there.values.state === here.state) agree += 1;
    else if (here.byDevice)
      findings.push(
        wrong(
          name,
          'result_differs',
          `${update}: the hub has "${here.state}", and ${name} wrote down "${there.values.state}".`,
          here.at,
        ),
      );
    else
      findings.push(
        note(
          name,
          'given_up',
          `${update}: the hub gave it up (${here.state}); ${name} says ${there.values.state}.`,
          here.at,
        ),
      );
  }
  return agree;
}
