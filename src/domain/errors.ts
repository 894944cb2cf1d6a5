import { cutText } from './cut-text.ts';

/**
 * One error type for all of Fettle. The code is the contract: people's text is looked up by it in the
 * message catalogue (`src/chat/messages`), programs switch on it, tests assert it.
 */

/** Devices, and what they say to orders. */
export const DEVICE_CODES = [
  'device_offline',
  'device_lost',
  'capability_denied',
  'order_expired',
  'order_replayed',
  'bad_signature',
  'hub_identity_invalid',
  'hub_not_proven',
  'unknown_device',
  'device_needed',
  'device_name_taken',
  'bad_device_name',
  'device_cloned',
  'device_revoked',
  'device_is_local',
  'not_on_device',
  'enroll_refused',
  'bundle_unavailable',
  'tls_unusable',
  'tool_refused',
  'tool_end_unknown',
  'tools_unknown',
  'policy_refused',
] as const;

/** Sources, releases and artifacts. */
export const ORIGIN_CODES = [
  'source_unreachable',
  'source_invalid',
  'source_expired',
  'source_rolled_back',
  'artifact_unverified',
  'artifact_mismatch',
  'artifact_wrong_platform',
  'artifact_invalid',
  'download_failed',
  'install_failed',
  'key_unusable',
] as const;

/** Stable codes. Add here first; the catalogue does not compile without a text for each. */
export const ERROR_CODES = [
  // what a person typed
  'unknown_command',
  'unknown_app',
  'unknown_version',
  'unknown_update',
  'unknown_backup',
  'not_restorable',
  'bad_arguments',
  'unknown_setting',
  'bad_setting',
  'app_needed',
  'not_allowed',
  'rate_limited',
  // the state of things
  'in_progress',
  'nothing_to_cancel',
  'too_late_to_cancel',
  'too_late_to_force',
  'not_waiting',
  'already_latest',
  'already_running_version',
  'downgrade_refused',
  'release_blocked',
  'release_skipped',
  'pinned',
  'no_last_good',
  'no_source',
  'not_installed',
  'no_log',
  'no_updater',
  // devices and orders
  ...DEVICE_CODES,
  'agent_too_old',
  'busy',
  'locked_by_app',
  'outside_window',
  // sources and artifacts
  ...ORIGIN_CODES,
  'rehearsal_failed',
  // the device's own troubles
  'no_space',
  'io_failed',
  'backup_failed',
  'start_failed',
  'stop_failed',
  'driver_unusable',
  'check_unusable',
  'writes_into_slot',
  'other_filesystem',
  'not_replaceable',
  'wrong_runtime',
  'crashed',
  'health_failed',
  'wrong_version',
  'deadline_passed',
  'interrupted',
  'interrupted_too_often',
  'journal_unreadable',
  'build_failed',
  // outcomes
  'rolled_back',
  'rollback_failed',
  'timed_out',
  'cancelled',
  // starting Fettle
  'config_invalid',
  'config_missing',
  'home_not_writable',
  'home_in_use',
  'port_in_use',
  'node_too_old',
  'platform_unsupported',
  'hub_unreachable',
  'keeper_unreachable',
  'protocol_violation',
  'publish_refused',
  'init_refused',
  'service_refused',
  // chats
  'chat_secret_missing',
  'chat_credentials_malformed',
  'chat_credentials_refused',
  'chat_intents_missing',
  'chat_permission_missing',
  'chat_unreachable',
  'chat_conflict',
  'chat_proxy_unusable',
  'chat_refused',
  'button_unknown',
  'event_too_old',
  // people
  'claim_refused',
  'link_refused',
  'unknown_person',
  'bad_person',
  'shared_account',
  'last_admin',
  'not_your_account',
  'only_account',
  'approval_impossible',
  'approval_refused',
  'approval_void',
  'approval_rejected',
  'approval_expired',
  'asker_gone',
  'nothing_to_approve',
  'not_approving',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Values that a message's text may name. Never secrets: they reach chat and logs. */
export type ErrorData = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface FettleErrorOptions {
  readonly data?: ErrorData;
  /** True where the same thing may succeed later without anybody changing anything (network, time, space). */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** An expected kind of failure, named by `code`. `data` fills the catalogue's text. */
export class FettleError extends Error {
  override readonly name = 'FettleError';
  readonly code: ErrorCode;
  readonly data: ErrorData;
  readonly retryable: boolean;

  constructor(code: ErrorCode, options: FettleErrorOptions = {}) {
    const facts = Object.entries(options.data ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(',') : String(value)}`)
      .join(' ');
    super(facts ? `${code}: ${facts}` : code, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** Is `value` one of our codes? Codes from a newer peer are not. */
export function isErrorCode(value: string): value is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(value);
}

/** System errors that mean "this device has no room or its disk is failing". */
const SPACE = new Set(['ENOSPC', 'EDQUOT']);
const DISK = new Set(['EROFS', 'EIO']);

/**
 * Turns anything thrown into a FettleError, at an edge, once. A FettleError passes unchanged; a full or
 * failing disk is recognised whatever was being done; anything else becomes `fallback`.
 *
 * @param reason text from the foreign error, cut to 1,000 characters; the caller redacts before it is shown
 */
export function toFettleError(error: unknown, fallback: ErrorCode, data: ErrorData = {}): FettleError {
  if (error instanceof FettleError) return error;
  const systemCode = systemCodeOf(error);
  const reason = cutText(error instanceof Error ? error.message : String(error), 1_000);
  if (systemCode && SPACE.has(systemCode)) {
    return new FettleError('no_space', { data: { ...data, reason }, retryable: true, cause: error });
  }
  if (systemCode && DISK.has(systemCode)) {
    return new FettleError('io_failed', { data: { ...data, reason }, retryable: true, cause: error });
  }
  return new FettleError(fallback, { data: { ...data, reason }, cause: error });
}

/** Node's `error.code` (`ENOENT`, …), wherever it is in the chain of causes. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let e = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth += 1) {
    const code = (e as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && !(e instanceof FettleError)) return code;
  }
  return undefined;
}
