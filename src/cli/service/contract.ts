import type { Systemctl, UnitName } from '../../../agent/restart/systemctl.ts';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout, HubPlace } from '../../../config/home.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import { FettleError } from '../../domain/errors.ts';
import type { Owner } from './owner.ts';
import type { Unit } from './units.ts';

/** What `fettle install-service` was asked for. */
export interface ServiceOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  /** A service of this user's own manager; of the system unless given. */
  readonly user: boolean;
  /** The hub in a unit of its own. */
  readonly separate: boolean;
  /** Everything as the home's owner, as it was before the hub had a user of its own. */
  readonly oneUser: boolean;
  /** Says what would be done, and does nothing. */
  readonly dryRun: boolean;
  /** What the units are called: a machine may have several homes. */
  readonly name: string;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Manager {
  /** Where its units are written. */
  readonly folder: string;
  /** Where sockets of a service live. */
  readonly runtime: string;
  /** `systemctl`, or `systemctl --user`, as people type it. */
  readonly command: string;
  readonly systemctl: Systemctl;
  unit(name: string): UnitName;
}

/** What runs a home now. */
export interface RunningNow {
  readonly how: 'nothing' | 'detached' | 'service';
  /** As it runs now: its sockets may be elsewhere than the service's. */
  readonly layout: HomeLayout;
}

/** Everything that is known before anything is done. */
export interface ServicePlan {
  readonly options: ServiceOptions;
  readonly manager: Manager;
  readonly owner: Owner;
  readonly units: readonly Unit[];
  /** Files that differ from what is there. */
  readonly changed: readonly Unit[];
  /** The hub's own user, unless it shares Fettle's: then why. */
  readonly apart: HubPlace | { readonly together: string };
  /** The layout as the service will have it. */
  readonly layout: HomeLayout;
  readonly loaded: LoadedConfig;
  readonly environment: string;
  readonly running: RunningNow;
  /** Its hub is elsewhere: agent and apps alone. */
  readonly device: boolean;
}

/** The hub's own user; `undefined` where it shares Fettle's. */
export function placeOf({ apart }: Pick<ServicePlan, 'apart'>): HubPlace | undefined {
  return 'user' in apart ? apart : undefined;
}

/** A refusal, with nothing changed. */
export function refused(reason: string, advice?: string): FettleError {
  return new FettleError('service_refused', { data: { reason, ...(advice ? { advice } : {}) } });
}
