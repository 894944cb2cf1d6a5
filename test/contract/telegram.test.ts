import { createTelegramAdapter } from '../../adapters/telegram/adapter.ts';
import { makeDeps } from '../support/telegram/adapter.ts';
import { startTelegram } from '../support/telegram/index.ts';
import { FAST } from '../support/telegram/timings.ts';
import { until } from '../support/until.ts';
import { adapterContract, type Stage } from './adapter.ts';

async function makeStage(): Promise<Stage> {
  const telegram = await startTelegram();
  return {
    saysWhen: true,
    makeAdapter() {
      const adapter = createTelegramAdapter({ token: telegram.token, api: telegram.url }, makeDeps(), FAST);
      return {
        ...adapter,
        // The hub does not wait for a platform; this suite looks at once.
        async start(sink) {
          await adapter.start(sink);
          await until('the connection', () => adapter.connection().state === 'connected');
          await telegram.connected();
        },
      };
    },
    type: (text) => telegram.type(text),
    repeat: (eventId) => telegram.repeat(eventId),
    seen: () => telegram.messages().map(({ title }) => title),
    attendance: { not: 'Telegram keeps what nobody reads' },
    close: () => telegram.close(),
  };
}

adapterContract('telegram', makeStage);
