/**
 * Finds a message whose answer was lost, without changing any. A call that gives a message a new caption is refused in
 * three ways: `message to edit not found` (no such id in that chat), `message can't be edited` (somebody else's) and
 * `there is no caption in the message to edit` (a text of the bot's own). Fettle sends texts alone and one new message at
 * a time, so a text of its own above all ids that were known before is the one that is looked for.
 *
 * In a supergroup ids have no holes but for what was deleted. Mostly the lost message comes right after what was known:
 * it is looked forward a little. Where others had written much before it, it is among the newest: the end is found by
 * doubling and halving, and it is looked back from there. Elsewhere the ids are shared with other chats and have holes:
 * it is looked forward alone.
 */

/** Ids that are asked, of which at least one is there unless all were deleted. */
const WINDOW = 5;
/** Ids beyond the end that are asked as well. */
const AHEAD = 20;
/** Ids right after the last known one that are asked one by one. */
const NEAR = 60;
/** Messages that others may have written since, where others had written much before it. */
const BACK = 300;
/** Where ids have holes. */
const FORWARD = 64;
const FORWARD_MOST = 400;

export type Probe = 'own' | 'other' | 'none';

export interface Search {
  /** All ids up to this one were known before. */
  readonly after: number;
  /** The highest id that was seen by now. */
  readonly seen: number;
  /** Ids have no holes but deleted messages. */
  readonly dense: boolean;
  /** Asked at most once for each id; what it throws ends the search. */
  readonly probe: (id: number) => Promise<Probe>;
}

export async function findLostMessage({ after, seen, dense, probe }: Search): Promise<number | undefined> {
  if (!dense) {
    const to = Math.min(Math.max(after + FORWARD, seen + AHEAD), after + FORWARD_MOST);
    for (let id = after + 1; id <= to; id += 1) if ((await probe(id)) === 'own') return id;
    return undefined;
  }
  let nobodys = 0;
  for (let id = after + 1; id <= after + NEAR; id += 1) {
    const found = await probe(id);
    if (found === 'own') return id;
    nobodys = found === 'none' ? nobodys + 1 : 0;
    if (nobodys >= AHEAD && id > seen) return undefined;
  }
  let own: number | undefined;
  const isThere = async (from: number): Promise<boolean> => {
    for (let id = from; id < from + WINDOW; id += 1) {
      const found = await probe(id);
      if (found === 'own') own = id;
      if (found !== 'none') return true;
    }
    return false;
  };
  let there = Math.max(after, seen);
  let step = 1;
  while (own === undefined && (await isThere(there + step))) {
    there += step;
    step *= 2;
  }
  let beyond = there + step;
  while (own === undefined && beyond - there > 1) {
    const middle = Math.floor((there + beyond) / 2);
    if (await isThere(middle)) there = middle;
    else beyond = middle;
  }
  const first = Math.max(after + NEAR + 1, there - BACK);
  for (let id = there + AHEAD; own === undefined && id >= first; id -= 1) {
    if ((await probe(id)) === 'own') own = id;
  }
  return own;
}
