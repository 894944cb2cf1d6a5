import type { Generated } from 'kysely';
import type { Role } from '../domain/app.ts';
import type { Approval } from '../domain/approval.ts';
import type { DeviceState } from '../domain/device.ts';
import type { Auto } from '../domain/settings.ts';
import type { FinalState, UpdateKind, UpdateState } from '../domain/update.ts';

/**
 * The tables. Times are milliseconds since 1970 (hub clock); JSON columns hold text and are parsed by the
 * queries that read them. Changes are migrations, never edits of an old one (see `migrations/`).
 */
export interface Database {
  meta: MetaTable;
  devices: DeviceTable;
  device_apps: DeviceAppTable;
  device_keys: DeviceKeyTable;
  enrol_tokens: EnrolTokenTable;
  source_checks: SourceCheckTable;
  releases: ReleaseTable;
  updates: UpdateTable;
  events: EventTable;
  inbox: InboxTable;
  outbox: OutboxTable;
  settings: SettingTable;
  app_settings: AppSettingTable;
  skipped_releases: SkippedReleaseTable;
  notices: NoticeTable;
  admin_chats: AdminChatTable;
  audit: AuditTable;
  audit_chain: AuditChainTable;
  device_audit: DeviceAuditTable;
  button_commands: ButtonCommandTable;
  people: PersonTable;
  identities: IdentityTable;
  person_codes: PersonCodeTable;
  approvals: ApprovalTable;
  admin_chat_accounts: AdminChatAccountTable;
}

/** Things there is one of: the hub's id, the schema's floor. */
export interface MetaTable {
  key: string;
  value: string;
}

export interface DeviceTable {
  id: string;
  name: string;
  platform: string;
  agent_version: string;
  /** Rises with each connection; results count only from the newest. */
  epoch: number;
  connected: number;
  recovered: number;
  last_seen_at: number;
}

/** Who may connect as a device: there is a row from when it joined, and for ever. */
export interface DeviceKeyTable {
  device: string;
  /** SPKI, PEM. */
  public_key: string;
  /** What the device says of the machine it is on; null: it has not said. */
  machine: string | null;
  /** Another machine that the same key was seen from. */
  other_machine: string | null;
  state: DeviceState;
  /** Unique, whatever its case, among those that are not revoked. */
  name: string;
  /** `{key: value}` */
  labels: Generated<string>;
  hostname: string | null;
  platform: string | null;
  /** 1: the one of the hub's own home. */
  local: Generated<number>;
  /** {@link EnrolTokenTable.seq} that it came with. */
  token: number | null;
  enrolled_at: number;
  enrolled_by: string;
  enrolled_by_name: string;
  /** When the state last changed. */
  state_at: number;
}

/** A token by which devices join. Only a salted hash is kept. */
export interface EnrolTokenTable {
  seq: Generated<number>;
  salt: string;
  hash: string;
  /** What the device is to be called; null: as its host is. */
  name: string | null;
  labels: Generated<string>;
  /** So many devices may join by it. */
  uses: number;
  used: Generated<number>;
  made_at: number;
  made_by: string;
  made_by_name: string;
  /** The event that asked: asked again, the token is made anew. */
  event_id: string | null;
  expires_at: number;
  /** Why it is worth nothing before its time. */
  ended: 'replaced' | null;
}

/** One app on one device, as last reported. */
export interface DeviceAppTable {
  device: string;
  app: string;
  /** `AppReport` of the protocol. */
  report: string;
  reported_at: number;
}

/** What one request to a source came to. */
export interface SourceCheckTable {
  /** `describeSource`'s text plus the channel-independent rest: one row a source, however many apps use it. */
  source: string;
  checked_at: number;
  /** For a conditional request. */
  etag: string | null;
  /** channel → version. */
  channels: string;
  /** `{code, data}` of the last failure; null after a success. */
  problem: string | null;
  next_at: number | null;
}

export interface ReleaseTable {
  source: string;
  version: string;
  channel: string;
  digest: string;
  published_at: number | null;
  notes: string | null;
  size: number | null;
  /** `Artifact[]` */
  artifacts: string;
}

export interface UpdateTable {
  id: string;
  app: string;
  device: string;
  kind: UpdateKind;
  state: UpdateState;
  /** Order that was sent last; acknowledgements of others are late. */
  order_id: string | null;
  from_version: string | null;
  to_version: string | null;
  channel: string | null;
  digest: string | null;
  with_data: number;
  force: number;
  /** `platform:person`, or `fettle` itself. */
  requested_by: string;
  requested_by_name: string;
  /** Where the answer goes: {@link Route} as JSON; null where nobody waits for one. */
  route: string | null;
  /** The event that asked. */
  event_id: string | null;
  language: string;
  requested_at: number;
  state_at: number;
  /** When the current state's deadline passes; null for the device's own states. */
  deadline_at: number | null;
  /** `seq` of the newest report. */
  report_seq: number;
  progress: string | null;
  cancel_requested: number;
  ended_at: number | null;
  final_state: FinalState | null;
  /** `Outcome` of the protocol. */
  outcome: string | null;
  /** 1: nobody asked, `auto` did. Its answers go to the admins' chats. */
  automatic: Generated<number>;
  /** Which backup a `restore` puts back. */
  backup: Generated<number | null>;
}

/** Append only: every change of every update's state, in the transaction that made it. */
export interface EventTable {
  seq: Generated<number>;
  update_id: string;
  at: number;
  from_state: string | null;
  to_state: string;
  /** Who or what: `person`, `hub`, `agent`. */
  actor: string;
  data: string | null;
}

/** Events of chats, for de-duplication and so that a restart loses none. */
export interface InboxTable {
  platform: string;
  event_id: string;
  received_at: number;
  /** `Request` as JSON. */
  request: string;
  /** 0 until it has been worked on and its replies are in the outbox. */
  done: number;
}

/** Messages to chats. Written in the transaction that makes them true. */
export interface OutboxTable {
  seq: Generated<number>;
  key: string;
  platform: string;
  route: string;
  /** `Reply` as JSON: what is to be shown. */
  reply: string;
  answers: string | null;
  final: number;
  failed: number;
  /** `pending` to send, `sent`, `dirty` (sent, but a newer state is to be shown), `dead`. */
  state: 'pending' | 'sent' | 'dirty' | 'dead';
  ref: string | null;
  attempts: number;
  next_at: number;
  created_at: number;
  updated_at: number;
  sent_at: number | null;
  last_error: string | null;
  /** Handed out then, and nobody knows whether it arrived; null: it was not, or it is known. */
  sending_since: Generated<number | null>;
  /** `ShownOnce` as JSON, where the reply is not to be kept; null where it may be, or is forgotten. */
  once: Generated<string | null>;
}

/** A setting that somebody made in a chat; it wins over the configuration. */
export interface SettingTable {
  key: string;
  /** As the setting's definition writes it. */
  value: string;
  at: number;
  /** `platform:person`. */
  by: string;
  by_name: string;
}

/** What somebody said in a chat about one app. No row: `auto` off, not pinned. */
export interface AppSettingTable {
  app: string;
  auto: Generated<Auto>;
  /** The version that is held; null: none. */
  pinned: string | null;
  at: number;
  by: string;
  by_name: string;
}

/** A release that is skipped for good. */
export interface SkippedReleaseTable {
  app: string;
  version: string;
  at: number;
  by: string;
  by_name: string;
}

/** What was announced: once each, whatever restarts. */
export interface NoticeTable {
  /**
   * `release`: there is a new one; `expiry`: a source's index expires (`version` is its date); `crashes`: an app keeps
   * crashing (`version` is `DEVICE/SINCE`).
   */
  kind: 'release' | 'expiry' | 'crashes';
  app: string;
  version: string;
  at: number;
  /** Somebody said "later": it is announced once more then. */
  remind_at: number | null;
  /** Somebody cancelled the automatic update to it: it is left to people. */
  declined_at: number | null;
}

/** A chat in which an admin has spoken: news goes there. */
export interface AdminChatTable {
  platform: string;
  chat: string;
  /** {@link Route} as JSON, without thread and message. */
  route: string;
  language: string | null;
  seen_at: number;
}

/** Commands of buttons, for platforms whose buttons carry little. */
export interface ButtonCommandTable {
  /** A digest of the command. */
  name: string;
  command: string;
  /** Put on a message last; rounded to a day. */
  used_at: number;
}

/** Somebody who may do something here. */
export interface PersonTable {
  id: string;
  /** As last seen on any of their accounts. */
  name: string;
  role: Role;
  /** Operator or higher since then, without a gap; null: is not. */
  approver_since: number | null;
  created_at: number;
}

/** An account on a platform: of a person, or of somebody who has only spoken to the bot. */
export interface IdentityTable {
  platform: string;
  /** The platform's id. */
  person: string;
  /** {@link PersonTable.id}; null: nobody whom an admin has let in. */
  owner: string | null;
  /** As last seen; the owner of the account chooses it. */
  name: string;
  seen_at: number;
}

/** Codes that make somebody an admin, or join two accounts. Only a salted hash is kept. */
export interface PersonCodeTable {
  seq: Generated<number>;
  kind: 'claim' | 'link';
  /** Who made it; null for `claim`. */
  owner: string | null;
  salt: string;
  hash: string;
  made_at: number;
  expires_at: number;
  /** JSON: events that tried it with a wrong one. */
  wrong: Generated<string>;
  /** Why it is worth nothing any more; null: it is, until it expires. `burnt`: others have read it. */
  ended: 'used' | 'burnt' | 'replaced' | null;
}

/** The question whether an update may begin, and its answer. */
export interface ApprovalTable {
  update_id: string;
  mode: Exclude<Approval, 'none'>;
  /** The person who asked for the update; null where nobody did. */
  asked_by: string | null;
  /** What an approval is bound to. */
  digest: string | null;
  device: string;
  expires_at: number;
  decision: 'approved' | 'rejected' | null;
  /** `platform:person`. */
  decided_by: string | null;
  decided_by_name: string | null;
  decided_at: number | null;
}

/** By which accounts admins have given commands in a chat: it gets no news any more when none is an admin's. */
export interface AdminChatAccountTable {
  platform: string;
  chat: string;
  /** `telegram:123` */
  account: string;
}

/** Append only: who changed what, where and when. */
export interface AuditTable {
  seq: Generated<number>;
  at: number;
  by: string;
  by_name: string;
  route: string | null;
  /** The event that asked; null where nobody did. */
  event_id: string | null;
  /** `settings`, `auto`, `pin`, `unpin`, `skip`, … */
  action: string;
  /** The app or the setting's key. */
  target: string | null;
  before: string | null;
  after: string | null;
  /** What came of it, where the action does not say: `done`, or a code. */
  result: Generated<string | null>;
  /** More of it, as a JSON object. */
  data: Generated<string | null>;
}

/** The hash of each row of {@link AuditTable} over that of the row before and its own text. Append only. */
export interface AuditChainTable {
  seq: number;
  hash: string;
  /** 1: the row was written by a version that knew no chain, and was chained later. */
  late: Generated<number>;
}

/** What devices logged themselves, line by line as they told it. Append only. */
export interface DeviceAuditTable {
  device: string;
  /** Rises by one where a device's log is not the one that it told before: it was restored, or somebody cut it. */
  branch: number;
  n: number;
  line: string;
  received_at: number;
}
