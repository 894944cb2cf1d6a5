import type { Release } from '../../src/domain/release.ts';
import type { UpdateState } from '../../src/domain/update.ts';
import type { Gateway, Peer } from '../../src/gateway/gateway.ts';
import type { AgentMessage, AppReport, HubMessage, Outcome, Problem } from '../../src/protocol/messages.ts';
import type { Engine } from '../../src/rollout/engine.ts';

/** How an update goes on the device. `own`: the release's fault, which blocks it. */
export type Verdict =
  | 'good'
  | { readonly problem: string; readonly retryable: boolean; readonly own?: boolean; readonly log?: string };

type Order = Extract<HubMessage, { type: 'order' }>['order'];

/**
 * An agent behind the gateway's interface, as slow as `stepMs` says, that outlives hubs: outcomes wait until a hub
 * has acknowledged them, and an order that it knows is not carried out twice.
 */
export interface SimulatedDevice {
  readonly gateway: Pick<Gateway, 'send' | 'isConnected'>;
  readonly running: Map<string, string>;
  readonly blocked: Map<string, string[]>;
  /** Updates that it has carried out, in order. */
  readonly carriedOut: {
    readonly app: string;
    readonly version: string;
    readonly update: string;
    readonly state: string;
  }[];
  /** Every order that came, in order. */
  readonly orders: Order[];
  verdict: (app: string, version: string) => Verdict;
  stepMs: number;
  /** Why the apps must not be stopped: updates wait until it is gone, or a person insists. */
  locked: string | undefined;
  /** What is said of an app beside its version. */
  readonly more: Map<string, Partial<AppReport>>;
  /** Says anything to the hub that is connected. */
  say(message: AgentMessage): Promise<void>;
  inventory(): Promise<void>;
  connect(engine: Pick<Engine, 'connected' | 'received'>): Promise<void>;
  disconnect(engine?: Pick<Engine, 'disconnected'>): Promise<void>;
}

export const DEVICE: Peer = { device: 'd-1', name: 'this-machine', platform: 'linux-x64', version: '0.1.0' } as Peer;

export function createSimulatedDevice(running: Readonly<Record<string, string>>): SimulatedDevice {
  let engine: Pick<Engine, 'connected' | 'received'> | undefined;
  let epoch = 0;
  const doing = new Map<string, { order: Order; state: UpdateState; cancelled: boolean; forced: boolean }>();
  const outcomes = new Map<string, Outcome>();

  async function say(message: AgentMessage): Promise<void> {
    await engine?.received(DEVICE, epoch, message);
  }

  async function inventory(): Promise<void> {
    const apps = [...device.running].map(([app, version]): AppReport => {
      const current = [...doing.values()].find(({ order }) => order.app === app);
      const under = current ? { update: current.order.update, state: current.state } : {};
      return {
        app,
        version,
        health: 'healthy',
        blocked: device.blocked.get(app) ?? [],
        ...under,
        ...device.more.get(app),
      };
    });
    await say({ type: 'inventory', apps, recovered: true });
  }

  async function carryOut(order: Order): Promise<void> {
    await say({ type: 'order-ack', order: order.id, update: order.update, accepted: true });
    const known = outcomes.get(order.update);
    if (known) return say({ type: 'outcome', outcome: known });
    if (doing.has(order.update)) return;
    const work = { order, state: 'received' as UpdateState, cancelled: false, forced: order.force };
    doing.set(order.update, work);
    const startedAt = Date.now();
    let seq = 0;
    for (const state of ['fetching', 'waiting', 'stopping', 'probing'] as const) {
      await new Promise((resolve) => setTimeout(resolve, device.stepMs));
      if (work.cancelled) break;
      work.state = state;
      await say({ type: 'report', update: order.update, seq: seq++, state, at: Date.now() });
      while (state === 'waiting' && device.locked !== undefined && !work.forced && !work.cancelled) {
        const at = new Date().toISOString();
        const note = { code: 'locked_by_app', data: { app: order.app, reason: device.locked, since: at, until: at } };
        const report = { type: 'report', update: order.update, state, at: Date.now() } as const;
        await say({ ...report, seq: seq++, note: { ...note, retryable: true } });
        await new Promise((resolve) => setTimeout(resolve, device.stepMs));
      }
    }
    const from = device.running.get(order.app);
    const to = order.release?.version ?? from ?? '';
    const verdict = work.cancelled ? undefined : device.verdict(order.app, to);
    const own = verdict !== undefined && verdict !== 'good' && verdict.own === true;
    const state = !verdict ? 'cancelled' : verdict === 'good' ? 'succeeded' : own ? 'rolled-back' : 'failed';
    if (state === 'succeeded') device.running.set(order.app, to);
    if (own) device.blocked.set(order.app, [...(device.blocked.get(order.app) ?? []), to]);
    const problem: Problem | undefined =
      verdict === undefined || verdict === 'good'
        ? undefined
        : { code: verdict.problem, data: { app: order.app }, retryable: verdict.retryable };
    outcomes.set(order.update, {
      update: order.update,
      app: order.app,
      kind: order.kind,
      state,
      to,
      running: device.running.get(order.app),
      startedAt,
      endedAt: Date.now(),
      ...(from === undefined ? {} : { from }),
      ...(problem ? { problem } : {}),
      ...(verdict && verdict !== 'good' && verdict.log !== undefined ? { logTail: verdict.log } : {}),
    });
    doing.delete(order.update);
    device.carriedOut.push({ app: order.app, version: to, update: order.update, state });
    const outcome = outcomes.get(order.update);
    if (outcome) await say({ type: 'outcome', outcome });
    await inventory();
  }

  function hear(message: HubMessage): void {
    if (message.type === 'order') {
      device.orders.push(message.order);
      void carryOut(message.order);
    }
    if (message.type === 'force' || message.type === 'hold') {
      const work = doing.get(message.update);
      const accepted = work?.state === 'waiting';
      if (work && accepted && message.type === 'force') work.forced = true;
      const answer = { asked: message.type, accepted, state: work?.state ?? 'unknown' };
      void say({ type: 'lock-answer', update: message.update, ...answer });
    }
    if (message.type === 'cancel') {
      const work = doing.get(message.update);
      const accepted = work !== undefined && work.state !== 'stopping' && work.state !== 'probing';
      if (work && accepted) work.cancelled = true;
      void say({ type: 'cancel-result', update: message.update, accepted, state: work?.state ?? 'unknown' });
    }
  }

  const device: SimulatedDevice = {
    running: new Map(Object.entries(running)),
    blocked: new Map(),
    more: new Map(),
    say,
    inventory,
    carriedOut: [],
    orders: [],
    verdict: () => 'good',
    stepMs: 2_500,
    locked: undefined,
    gateway: {
      isConnected: () => engine !== undefined,
      send(_, message) {
        if (!engine) return false;
        setTimeout(() => hear(message), 1);
        return true;
      },
    },
    async connect(hub) {
      epoch = await hub.connected(DEVICE);
      engine = hub;
      for (const outcome of outcomes.values()) await say({ type: 'outcome', outcome });
      await inventory();
    },
    async disconnect(hub) {
      engine = undefined;
      await hub?.disconnected(DEVICE, epoch);
    },
  };
  return device;
}

export const releaseOf = (version: string, notes?: string): Release => ({
  version,
  channel: 'stable',
  digest: `sha256-${version}`,
  notes,
  size: 1_000_000,
  artifacts: [],
});
