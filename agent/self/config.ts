import { type AppConfig, AppSchema, type SelfConfig } from '../../config/agent-schema.ts';
import type { SelfApp } from '../../src/domain/app.ts';

/** Hub and agent have this long to end: the hub lets what it is sending finish. */
const GRACE = '15s';

/**
 * How Fettle's own two apps are updated, in the terms of any app. What is checked is another matter (`checks.ts`); the
 * address here only says that there is something to check.
 */
export function selfAppConfig(app: SelfApp, self: SelfConfig, hubUser?: string): AppConfig {
  const base = AppSchema.parse({
    run: `fettle ${app}`,
    healthy: { http: 'http://127.0.0.1/healthz', version: '.version', every: '200ms' },
    stop: { grace: GRACE },
  });
  return {
    ...base,
    ...(self.source ? { source: self.source } : {}),
    // With a source of artifacts, the file is not taken without keys: so this is `signed`.
    keys: self.keys,
    channel: self.channel,
    downgrade: self.downgrade,
    deadlines: self.deadlines,
    healthy: { ...base.healthy, for: self.for },
    // A copy for people. A hub that is rolled back keeps its database: it must not forget what it has said and heard.
    // Its releases stay Fettle's: that user reads them.
    ...(app === 'hub' && hubUser !== undefined ? { user: hubUser } : {}),
    ...(app === 'hub' ? { backup: { ...base.backup, paths: ['hub.db'] } } : {}),
  };
}
