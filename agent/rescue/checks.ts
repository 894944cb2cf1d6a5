import type { HomeLayout } from '../../config/home.ts';
import { readTrimmed } from '../../src/files/durable.ts';
import type { Check } from '../health/contract.ts';
import { createHttpCheck } from '../health/http.ts';
import { healthChecks } from '../health/index.ts';
import type { KeeperClient } from '../keeper/client.ts';
import { ownsPort } from '../keeper/processes.ts';

/** The checks that apply to an app; for the hub its own `/healthz`, at the port that it wrote down. */
export function checksFor(app: string, keeper: KeeperClient, layout: HomeLayout): readonly Check[] {
  const status = async (name: string) => (await keeper.ask('status', {})).apps[name];
  const usual = healthChecks({ ownsPort, status });
  return app === 'hub' ? [...usual, hubCheck(layout)] : usual;
}

function hubCheck(layout: HomeLayout): Check {
  const http = createHttpCheck(ownsPort);
  return {
    kind: 'hub',
    applies: () => true,
    look: (subject, health, signal) => {
      // Each time anew: a hub that may take any free port writes it down when it listens.
      const port = Number(readTrimmed(layout.hub.port));
      if (!Number.isInteger(port) || port <= 0)
        return Promise.resolve({ good: false, reason: 'it has not written down its port' });
      const address = `http://127.0.0.1:${port}/healthz`;
      return http.look(subject, { ...health, http: address, version: '.version' }, signal);
    },
  };
}
