import type { HomeLayout } from '../../config/home.ts';
import { readTrimmed } from '../../src/files/durable.ts';
import type { Check } from '../health/contract.ts';
import { httpCheck } from '../health/http.ts';
import { HEALTH_CHECKS } from '../health/index.ts';

/** The checks that apply to an app; for the hub its own `/healthz`, at the port that it wrote down. */
export function checksFor(app: string, layout: HomeLayout): readonly Check[] {
  return app === 'hub' ? [...HEALTH_CHECKS, hubCheck(layout)] : HEALTH_CHECKS;
}

function hubCheck(layout: HomeLayout): Check {
  return {
    kind: 'hub',
    applies: () => true,
    look: (subject, health, signal) => {
      // Each time anew: a hub that may take any free port writes it down when it listens.
      const port = Number(readTrimmed(layout.hub.port));
      if (!Number.isInteger(port) || port <= 0)
        return Promise.resolve({ good: false, reason: 'it has not written down its port' });
      const address = `http://127.0.0.1:${port}/healthz`;
      return httpCheck.look(subject, { ...health, http: address, version: '.version' }, signal);
    },
  };
}
