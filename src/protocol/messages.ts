import { z } from 'zod';
import { TRUST_LEVELS } from '../domain/trust.ts';
import { UPDATE_KINDS, UPDATE_STATES } from '../domain/update.ts';
import { BackupReport, Restored, StrangeBackup } from './backups.ts';
import { OrderedSource } from './ordered-source.ts';
import { ToolReport, ToolResult } from './tools.ts';
import { at, id, name, Problem, version } from './words.ts';

export { BackupReport, Restored, StrangeBackup } from './backups.ts';
export { ToolReport, ToolResult } from './tools.ts';
export { Problem } from './words.ts';

/**
 * What hub and agent say to each other: JSON, one object a WebSocket message, at most {@link MAX_MESSAGE_BYTES}.
 * Additive only: a field is added as optional, a message type is added; nothing is renamed or removed, because
 * hub and agent of different versions talk. A type that one side does not know is answered with `unknown`.
 * `challenge`, `hello` and `welcome` are bare, as is an `unknown` before them; everything after is in signed frames
 * (`frames.ts`).
 */

/** Larger messages close the connection (code 1009). */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'fettle.v1';

/** Backups of an app that are told, the newest: more would not fit in a message. */
export const MAX_BACKUPS = 500;

/** Entries of a device's audit log in one message, and characters of one. */
export const MAX_AUDIT_LINES = 100;
export const MAX_AUDIT_LINE = 2_000;

/** What the handshake's signatures are for; a signature made for another purpose does not fit. */
export const HANDSHAKE_PURPOSE = 'fettle.v1 handshake';

/** Becomes part of a folder's name. */
const orderedVersion = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,99}$/);
/** No line break: it is a line of what is signed. */
const nonce = z.string().regex(/^[A-Za-z0-9+/=_-]{16,200}$/);
/** A place in an audit log, with the hash of everything up to there (`audit-chain.ts`). */
const link = z.object({ seq: z.number().int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) });

/** A release as an order names it. The agent compares it with what it reads at the origin itself. */
export const OrderedRelease = z.object({
  version: orderedVersion,
  channel: z.string().max(40),
  digest: z.string().regex(/^sha(256|512)-[A-Za-z0-9+/=_-]{1,200}$/),
  /** Where the hub reads it. For a device whose own file names keys and no source; any other passes it over. */
  source: OrderedSource.optional(),
});
export type OrderedRelease = z.infer<typeof OrderedRelease>;

/**
 * What an order is for and no more. It never widens what the device's file allows: whatever it names must be in that file,
 * and belong to that app.
 */
export const Capability = z.object({
  app: name,
  /** Tools of the device's file. */
  tools: z.array(z.string().max(80)).max(20),
  /** Kept paths of the app; none: those that the device's file names. */
  paths: z.array(z.string().max(300)).max(100),
});
export type Capability = z.infer<typeof Capability>;

/** One thing to do to one app on one device. The agent checks it against its own file before anything else. */
export const Order = z.object({
  id,
  /** The update's id (`u-7k2m`): what reports and outcomes name. */
  update: id,
  device: id,
  app: name,
  kind: z.enum(UPDATE_KINDS),
  /** Needed for `install` and `update`; `rollback` goes to last-good, `restart` stays. */
  release: OrderedRelease.optional(),
  /** Roll back the data too (`rollback --with-data`). */
  withData: z.boolean().default(false),
  /** Is the data backed up before the switch? */
  backup: z.boolean().default(true),
  /** Needed for `restore`: the sequence number of the backup that is put back. */
  backupSeq: z.number().int().positive().max(1e9).optional(),
  /** Given on the device itself (`fettle rollback`), by its user. Not for hubs: the agent takes it from none. */
  local: z
    .object({
      by: z.string().max(60),
      /** A restart that makes a backup while the app is stopped. */
      backup: z.literal(true).optional(),
    })
    .optional(),
  /** A person insists: a release that was blocked by an earlier failure is tried again. */
  force: z.boolean().default(false),
  /** Absent from a hub of before; the device's file decides either way. */
  capability: Capability.optional(),
  /** Hub time. The agent measures from the handshake's clock reading, so a device without a clock works. */
  notBefore: at,
  expiresAt: at,
});
export type Order = z.infer<typeof Order>;

/** Bytes, files or steps done of how many. */
export const Progress = z.object({
  /** What is being counted. */
  unit: z.enum(['bytes', 'files', 'checks']),
  done: z.number().nonnegative(),
  total: z.number().nonnegative().optional(),
  /** Units a second, over the last seconds. */
  rate: z.number().nonnegative().optional(),
  /** Seconds left at that rate. */
  left: z.number().nonnegative().optional(),
  /** What a build says just now; shown instead of the count. */
  text: z.string().max(300).optional(),
});
export type Progress = z.infer<typeof Progress>;

/** How an update ended, kept by the agent until the hub has acknowledged it. */
export const Outcome = z.object({
  update: id,
  app: name,
  kind: z.enum(UPDATE_KINDS),
  state: z.enum(['succeeded', 'failed', 'cancelled', 'rolled-back', 'rollback-failed']),
  from: version.optional(),
  to: version.optional(),
  /** What runs now; absent where nothing does. */
  running: version.optional(),
  /** Last good answer of the old to first good answer of the new; absent where the app was never stopped. */
  outageMs: z.number().nonnegative().optional(),
  /** `reported`: the version answered for itself; `slot`: its process was seen to run from the new slot. */
  proof: z.enum(['reported', 'slot']).optional(),
  problem: Problem.optional(),
  /** The end of the app's log, redacted and cut by the agent. Shown to admins. */
  logTail: z.string().max(8_000).optional(),
  /** Backup made before the switch, by its sequence number. */
  backup: z.number().int().optional(),
  /** Where a failed version's data was put aside, relative to the app's folder. */
  setAside: z.string().max(200).optional(),
  dataRestored: z.boolean().optional(),
  /** The new version ran and was rolled back, and its data stays as it left it: there was no backup. */
  dataLeft: z.literal(true).optional(),
  /** It went on without a backup, as the device's file allows: why there is none. */
  backupProblem: Problem.optional(),
  /** Part of the data could not be brought back: why. */
  dataProblem: Problem.optional(),
  /** For a `restore` that got as far as choosing: which backup. */
  restored: Restored.optional(),
  startedAt: at,
  endedAt: at,
});
export type Outcome = z.infer<typeof Outcome>;

/** One app as the agent sees it. */
export const AppReport = z.object({
  app: name,
  version: version.optional(),
  digest: z.string().optional(),
  lastGood: version.optional(),
  /** `ill`: runs, but its health check fails. */
  health: z.enum(['healthy', 'ill', 'stopped', 'unknown']),
  /** Address a person can open, where the health check names one. */
  address: z.string().max(300).optional(),
  /** The update that is under way. */
  update: id.optional(),
  state: z.enum(UPDATE_STATES).optional(),
  /** Releases whose own failure blocked them here, by version. */
  blocked: z.array(version).default([]),
  /** `install: VERSION` of the device's file, for an app that is not installed yet. */
  install: z.string().optional(),
  /** It ends again and again, unasked. `since` is its first end of these, by the device's clock. */
  crashing: z.object({ since: at, times: z.number().int().positive() }).optional(),
  /** What the device's file demands of its releases. A level that this side does not know is passed over. */
  trust: z
    .object({ level: z.enum(TRUST_LEVELS), by: z.array(z.string().max(80)).max(20) })
    .optional()
    .catch(undefined),
});
export type AppReport = z.infer<typeof AppReport>;

/** Hub → agent. */
export const HubMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('challenge'), nonce, hub: z.string(), version, now: at }),
  z.object({ type: z.literal('welcome'), epoch: z.number().int(), signature: z.string(), now: at }),
  z.object({
    type: z.literal('order'),
    order: Order,
    /** Hub time when it was sent: clocks jump between the handshake and an order. */
    now: at.optional(),
    /**
     * Milliseconds from the connection's welcome to here, on the hub's monotonic clock. The agent counts from its own
     * `hello`, which came before: so it finds out that an order was held up on the way, whatever the clocks say.
     */
    after: z.number().nonnegative().optional(),
    /** Was to be over the order. The frame around it is signed instead. */
    signature: z.string().optional(),
    /** This order's entry in the hub's audit log. */
    log: link.optional(),
  }),
  // Told up to `n` of the device's audit log, and where the hub's own stands. 0: everything that is there is wanted.
  z.object({ type: z.literal('audit-ack'), n: z.number().int().nonnegative(), log: link.optional() }),
  z.object({ type: z.literal('cancel'), update: id }),
  /** A person insists: the update does not wait for the app's own lock (any more). Saying it again is no error. */
  z.object({ type: z.literal('force'), update: id }),
  /** An update that waits for the app's lock goes on waiting, with its deadline anew. */
  z.object({ type: z.literal('hold'), update: id }),
  z.object({ type: z.literal('outcome-ack'), update: id }),
  z.object({
    type: z.literal('read-log'),
    request: id,
    app: name,
    update: id.optional(),
    lines: z.number().int().max(500),
  }),
  z.object({
    type: z.literal('settings'),
    /** Days that backups are kept. 0: only the newest, and that of the running release. */
    retentionDays: z.number().int().min(0).max(36_500),
  }),
  z.object({ type: z.literal('list-backups'), request: id, app: name }),
  // Asked again with the same request, it is told again, and never run again.
  z.object({
    type: z.literal('run-tool'),
    request: id,
    device: id,
    tool: z.string().min(1).max(80),
    args: z.array(z.string().max(1_000)).max(20),
    capability: Capability.optional(),
    notBefore: at,
    expiresAt: at,
    /** As of an order. */
    now: at.optional(),
    after: z.number().nonnegative().optional(),
    /** What the asker is at the hub: a tool may be for admins alone. Absent: an older hub has looked itself. */
    role: z.enum(['operator', 'admin']).optional(),
    /** This request's entry in the hub's audit log. */
    log: link.optional(),
  }),
  z.object({ type: z.literal('tool-ack'), request: id }),
  // A file of the device that somebody else than the hub has signed (policy-document.ts).
  z.object({ type: z.literal('policy'), document: z.string().max(120_000), signature: z.string().max(10_000) }),
  z.object({ type: z.literal('unknown'), seen: z.string().max(60) }),
]);
export type HubMessage = z.infer<typeof HubMessage>;

/** Agent → hub. */
export const AgentMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    device: id,
    name: z.string().max(60),
    nonce,
    signature: z.string(),
    version,
    platform: z.string().max(40),
    /** SHA-256 of the machine's own id and the home's path, hex: one key that is seen from two of these was copied. */
    machine: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    /** Over all of this (`aboutProof`). Without it, an agent of before, nothing is made of `machine`. */
    about: z.string().max(200).optional(),
  }),
  z.object({
    type: z.literal('inventory'),
    apps: z.array(AppReport).max(1_000),
    /** True once recovery has run and nothing is left over. */
    recovered: z.boolean(),
    /** Apps that are not told, because a message would be too large. None of them is being updated. */
    omitted: z.number().int().nonnegative().optional(),
    tools: z.array(ToolReport).max(50).optional(),
  }),
  // Offered at each connect until it is acknowledged.
  z.object({ type: z.literal('tool-result'), result: ToolResult }),
  z.object({
    type: z.literal('policy-result'),
    accepted: z.boolean(),
    /** Of what was accepted. */
    number: z.number().int().optional(),
    /** The file is another than before; the agent begins anew with it. */
    changed: z.boolean().optional(),
    problem: Problem.optional(),
  }),
  z.object({ type: z.literal('order-ack'), order: id, update: id, accepted: z.boolean(), problem: Problem.optional() }),
  z.object({
    type: z.literal('report'),
    update: id,
    /** Rises by one a report of this update, across restarts of the agent: the hub drops what is older. */
    seq: z.number().int().nonnegative(),
    state: z.enum(UPDATE_STATES),
    at,
    progress: Progress.optional(),
    /** What is being waited for or was found, as a code with values. */
    note: Problem.optional(),
  }),
  z.object({ type: z.literal('outcome'), outcome: Outcome }),
  // The outcome of an order that was given on the device. A hub that does not know it is offered it again.
  z.object({
    type: z.literal('local-outcome'),
    outcome: Outcome,
    by: z.string().max(60),
    /** The backup that a `restore` was to put back. */
    backupSeq: z.number().int().positive().optional(),
  }),
  z.object({ type: z.literal('cancel-result'), update: id, accepted: z.boolean(), state: z.string().max(40) }),
  z.object({
    type: z.literal('lock-answer'),
    update: id,
    asked: z.enum(['force', 'hold']),
    accepted: z.boolean(),
    state: z.string().max(40),
  }),
  z.object({ type: z.literal('log'), request: id, text: z.string().max(64_000), problem: Problem.optional() }),
  z.object({
    type: z.literal('backups'),
    request: id,
    /** Newest first. */
    backups: z.array(BackupReport).max(MAX_BACKUPS),
    /** What is no backup that could be put back. */
    strange: z.array(StrangeBackup).max(100).optional(),
    /** Older ones that are not told, because a message would be too large. */
    omitted: z.number().int().nonnegative().optional(),
    problem: Problem.optional(),
  }),
  // The device's audit log, as it is on its lines. None: only where it stands; the hub then says what it lacks.
  z.object({
    type: z.literal('audit'),
    head: link,
    /** The number of the oldest entry that is still there. */
    first: z.number().int().nonnegative(),
    lines: z.array(z.string().max(MAX_AUDIT_LINE)).max(MAX_AUDIT_LINES),
  }),
  z.object({ type: z.literal('unknown'), seen: z.string().max(60) }),
]);
export type AgentMessage = z.infer<typeof AgentMessage>;
