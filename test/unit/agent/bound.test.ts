import { describe, expect, test } from 'vitest';
import { createBound } from '../../../agent/updater/bound.ts';

const quiet = { signal: new AbortController().signal, onWait: () => undefined };

describe('the bound on updates at once', () => {
  test('lets so many through, the rest in the order in which they came; each is told for whom it waits', async () => {
    const bound = createBound(2);
    const through: string[] = [];
    const waits: string[] = [];
    const enter = (app: string) =>
      bound
        .enter(app, { signal: quiet.signal, onWait: (other) => waits.push(`${app} for ${other}`) })
        .then(() => through.push(app));
    const all = ['a', 'b', 'c', 'd'].map(enter);
    await Promise.all(all.slice(0, 2));
    expect(through).toEqual(['a', 'b']);
    expect(waits).toEqual(['c for a', 'd for a']);
    bound.leave('b');
    await all[2];
    expect(through).toEqual(['a', 'b', 'c']);
    // Who is through is through, and somebody who never entered frees nobody's place.
    await bound.enter('c', quiet);
    bound.leave('never');
    await new Promise((resolve) => setImmediate(resolve));
    expect(through).toHaveLength(3);
    bound.leave('a');
    await all[3];
  });

  test('a cancel ends the wait and gives the place in the line up', async () => {
    const bound = createBound(1);
    await bound.enter('a', quiet);
    const cancel = new AbortController();
    const waiting = bound.enter('b', { signal: cancel.signal, onWait: () => undefined });
    const third = bound.enter('c', quiet);
    cancel.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'busy', data: { app: 'b', other: 'a' } });
    bound.leave('a');
    await third;
    await expect(bound.enter('d', { signal: AbortSignal.abort(), onWait: () => undefined })).rejects.toMatchObject({
      code: 'busy',
    });
  });

  test("Fettle's own updates never wait, and those past fetching at a start of the agent are counted", async () => {
    const bound = createBound(1);
    bound.force('a');
    await bound.enter('agent', quiet);
    await bound.enter('hub', quiet);
    let went = false;
    const waiting = bound.enter('b', quiet).then(() => {
      went = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(went).toBe(false);
    bound.leave('a');
    await waiting;
  });
});
