import { describe, expect, test } from 'vitest';
import { createGate } from '../../../agent/updater/gate.ts';

const never = new AbortController().signal;

/** Enters and tells whether it got in, after everything that is due has run. */
async function enters(gate: ReturnType<typeof createGate>, app: string, signal = never) {
  const waited: string[] = [];
  let inside = false;
  const done = gate.enter(app, { signal, onWait: (other) => waited.push(other) }).then(() => {
    inside = true;
  });
  done.catch(() => undefined);
  await settle();
  return { done, waited, inside: () => inside };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the gate', () => {
  test('apps go side by side', async () => {
    const gate = createGate();
    expect((await enters(gate, 'web')).inside()).toBe(true);
    expect((await enters(gate, 'hello')).inside()).toBe(true);
  });

  test('the agent waits until none is past it, and none goes past it meanwhile', async () => {
    const gate = createGate();
    await enters(gate, 'web');
    await enters(gate, 'hello');
    const agent = await enters(gate, 'agent');
    expect(agent.inside()).toBe(false);
    expect(agent.waited).toEqual(['web']);
    const later = await enters(gate, 'later');
    expect(later.inside()).toBe(false);
    expect(later.waited).toEqual(['agent']);
    gate.leave('web');
    await settle();
    expect(agent.inside()).toBe(false);
    expect(agent.waited).toEqual(['web', 'hello']);
    gate.leave('hello');
    await settle();
    expect(agent.inside()).toBe(true);
    expect(later.inside()).toBe(false);
    gate.leave('agent');
    await settle();
    expect(later.inside()).toBe(true);
  });

  test('an update that was past it when the agent ended holds the next', async () => {
    const gate = createGate();
    gate.force('agent');
    const web = await enters(gate, 'web');
    expect(web.inside()).toBe(false);
    gate.leave('agent');
    await settle();
    expect(web.inside()).toBe(true);
  });

  test('going through twice is once', async () => {
    const gate = createGate();
    await enters(gate, 'web');
    expect((await enters(gate, 'web')).inside()).toBe(true);
    gate.leave('web');
    expect((await enters(gate, 'agent')).inside()).toBe(true);
  });

  test('a wait that is ended says busy, and lets the others through', async () => {
    const gate = createGate();
    await enters(gate, 'web');
    const end = new AbortController();
    const agent = await enters(gate, 'agent', end.signal);
    const later = await enters(gate, 'later');
    end.abort();
    await expect(agent.done).rejects.toMatchObject({
      code: 'busy',
      retryable: true,
      data: { app: 'agent', other: 'web' },
    });
    await settle();
    expect(later.inside()).toBe(true);
  });

  test('a signal that has fired already does not wait', async () => {
    const gate = createGate();
    await enters(gate, 'web');
    const agent = await enters(gate, 'agent', AbortSignal.abort());
    await expect(agent.done).rejects.toMatchObject({ code: 'busy' });
  });
});
