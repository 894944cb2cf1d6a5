import { createAdapter } from '../../../adapters/feishu/index.ts';
import type { Adapter, Outgoing, PlatformDeps, Reply, Request } from '../../../src/chat/contract.ts';
import { FakeSink } from '../../contract/adapter.ts';
import { until } from '../until.ts';
import { type FeishuOptions, type FeishuPlatform, startFeishu } from './index.ts';

/** The adapter alone, on the local server, with the core's side in memory. */
export interface Hub {
  readonly feishu: FeishuPlatform;
  readonly adapter: Adapter;
  readonly sink: FakeSink;
  /** What was logged, as lines. */
  readonly logs: readonly string[];
  /** Somebody types, and it has arrived. */
  asked(text?: string): Promise<Request>;
  answer(to: Request, key: string, reply?: Partial<Reply>): Outgoing;
  state(wanted: string): Promise<void>;
}

export interface HubOptions extends FeishuOptions {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Before the adapter starts. */
  readonly before?: (feishu: FeishuPlatform) => void;
  readonly now?: () => number;
}

export function depsOf(
  log: PlatformDeps['log'],
  environment: Readonly<Record<string, string>> = {},
  now = () => Date.now(),
): PlatformDeps {
  const help = { en: '', zh: '' };
  return {
    commands: [{ name: 'update now', role: 'operator', help, arguments: [] }],
    clock: { now, monotonic: () => performance.now() },
    random: () => 0.5,
    log,
    environment,
  };
}

export async function withHub(options: HubOptions, run: (hub: Hub) => Promise<void>): Promise<void> {
  const feishu = await startFeishu(options);
  const logs: string[] = [];
  const log = (event: string, data: Readonly<Record<string, unknown>>) =>
    void logs.push(`${event} ${JSON.stringify(data)}`);
  const sink = new FakeSink();
  const settings = { appId: feishu.appId, token: feishu.secret, api: feishu.url, ...options.settings };
  const adapter = createAdapter(settings, depsOf(log, options.environment, options.now));
  options.before?.(feishu);
  await adapter.start(sink);
  if (adapter.connection().state === 'connected') await feishu.connected();
  try {
    await run({
      feishu,
      adapter,
      sink,
      logs,
      async asked(text = '/update') {
        const id = await feishu.type(text);
        return until('the event', () => sink.accepted.find(({ eventId }) => eventId === id));
      },
      answer: (to, key, reply = {}) => ({
        key,
        route: to.route,
        reply: { tone: 'info', title: key, ...reply },
        answers: to.eventId,
        final: true,
        failed: false,
      }),
      state: async (wanted) => void (await until(`the state ${wanted}`, () => adapter.connection().state === wanted)),
    });
  } finally {
    await adapter.stop();
    await feishu.close();
  }
}
