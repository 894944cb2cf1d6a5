import { createAdapter } from '../../adapters/feishu/index.ts';
import { startFeishu } from '../support/feishu/index.ts';
import { adapterContract, type Stage } from './adapter.ts';

/** The unmodified SDK over the local server. */

async function makeStage(): Promise<Stage> {
  const feishu = await startFeishu();
  return {
    saysWhen: true,
    makeAdapter: () =>
      createAdapter(
        { appId: feishu.appId, token: feishu.secret, api: feishu.url, proxy: 'none' },
        {
          commands: [],
          clock: { now: () => Date.now(), monotonic: () => performance.now() },
          random: Math.random,
          log: () => undefined,
          environment: {},
        },
      ),
    type: (text) => feishu.type(text),
    repeat: (eventId) => feishu.repeat(eventId),
    seen: () => feishu.messages().map(({ title }) => title),
    attendance: { not: 'a chat of Feishu keeps messages until somebody reads' },
    close: () => feishu.close(),
  };
}

adapterContract('feishu', makeStage);
