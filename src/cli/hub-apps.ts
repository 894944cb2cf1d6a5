import type { HubConfig } from '../../config/hub-schema.ts';
import { SELF_APPS } from '../domain/app.ts';
import type { RequestedApp } from '../rollout/requests.ts';

/** The apps of the configuration, as requests need them. */
export function requestedApps(config: HubConfig): RequestedApp[] {
  return Object.entries(config.apps).map(([name, app]) => ({
    name,
    source: app.source,
    keys: app.keys,
    channel: app.channel,
    keep: app.backup.paths ?? app.keep,
    downgrade: app.downgrade,
    graceMs: app.stop.grace,
    approval: app.approval,
    probe: { forMs: app.healthy.for, checks: app.healthy.checks, address: app.healthy.http },
  }));
}

/** Fettle itself. Its hub backs up its database; nothing of it is brought back by itself. */
export function selfApps({ fettle }: HubConfig): RequestedApp[] {
  return SELF_APPS.map((name) => ({
    name,
    source: fettle.source,
    keys: fettle.keys,
    channel: fettle.channel,
    keep: name === 'hub' ? ['hub.db'] : [],
    downgrade: fettle.downgrade,
    graceMs: 15_000,
    approval: fettle.approval,
    probe: { forMs: fettle.for, checks: 3 },
  }));
}
