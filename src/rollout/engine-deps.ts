import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import type { Source } from '../domain/app.ts';
import type { Clock, RandomBytes } from '../domain/id.ts';
import type { SettingsReader } from '../domain/settings.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { AppReport } from '../protocol/messages.ts';
import type { Database } from '../store/schema.ts';
import type { Announcer } from './announce.ts';
import type { Telling } from './telling.ts';

/** What the engine is given. */
export interface EngineDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly outbox: Pick<Outbox, 'wake'>;
  readonly telling: Telling;
  readonly announcer: Announcer;
  readonly gateway: () => Pick<Gateway, 'send' | 'isConnected'>;
  readonly settings: Pick<SettingsReader, 'current'>;
  /** Where this hub reads an app's releases: orders say it. Unless given, they don't. */
  readonly sourceOf?: ((app: string) => Source | undefined) | undefined;
  /** An app that the device's file wants installed, and that nobody has asked for yet. Never throws. */
  readonly onMissing: (device: string, report: AppReport) => Promise<void>;
  /** An update ended, or a device reported: what may be done by itself may be another thing now. */
  readonly onChange?: (() => void) | undefined;
  /** May they ask for updates still? Within the transaction. Unless given: whoever was let through may. */
  readonly mayAsk?: ((who: string, within: Kysely<Database>) => Promise<boolean>) | undefined;
  readonly log: (line: string) => void;
}
