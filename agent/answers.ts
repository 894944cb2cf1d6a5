import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HomeLayout } from '../config/home.ts';
import { isSelf } from '../src/domain/app.ts';
import { FettleError } from '../src/domain/errors.ts';
import type { AgentMessage, HubMessage } from '../src/protocol/messages.ts';
import type { Policy } from './policy.ts';
import type { restartDrivers } from './restart/index.ts';
import { readTail } from './updater/log-tail.ts';
import { problemOf } from './updater/task.ts';
import type { createUpdates } from './updates.ts';

/** What a hub may ask of this device, and is told: the end of an app's log, its backups. Nothing is changed by it. */

const LOG_BYTES = 48_000;
/** After redaction, which may lengthen it. What the protocol takes. */
const LOG_CHARACTERS = 64_000;

export function createAnswers(deps: {
  readonly layout: HomeLayout;
  readonly policy: Pick<Policy, 'app'>;
  readonly drivers: ReturnType<typeof restartDrivers>;
  readonly updates: Pick<ReturnType<typeof createUpdates>, 'backups'>;
  readonly redact: (app: string, text: string) => string;
}) {
  const { layout, policy, drivers } = deps;
  return {
    async log({ request, app, lines }: Extract<HubMessage, { type: 'read-log' }>): Promise<AgentMessage> {
      const config = policy.app(app);
      // What Fettle itself writes on a device is of use to the hub of that home alone.
      if (!config || (isSelf(app) && existsSync(join(layout.agent.dir, 'hub.json')))) {
        const denied = new FettleError('capability_denied', { data: { app, what: `the log of ${app}` } });
        return { type: 'log', request, text: '', problem: problemOf(denied, app) };
      }
      const driver = isSelf(app) ? drivers.kept : drivers.of(app, config);
      const text = (await driver.tail?.(app, lines)) ?? readTail(layout.appLog(app), lines, LOG_BYTES);
      return { type: 'log', request, text: deps.redact(app, text).slice(-LOG_CHARACTERS) };
    },
    backups({ request, app }: Extract<HubMessage, { type: 'list-backups' }>): AgentMessage {
      try {
        const { backups, strange } = deps.updates.backups(app);
        return {
          type: 'backups',
          request,
          backups: [...backups],
          ...(strange.length > 0 ? { strange: [...strange] } : {}),
        };
      } catch (error) {
        return { type: 'backups', request, backups: [], problem: problemOf(error, app) };
      }
    },
  };
}
