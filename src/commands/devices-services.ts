import type { DeviceState, Labels } from '../domain/device.ts';
import type { Asker } from './asker.ts';

/** What commands need of devices: who may connect, and under which name. */

export interface DeviceDetail {
  readonly id: string;
  readonly name: string;
  readonly state: DeviceState;
  readonly labels: Labels;
  readonly connected: boolean;
  /** Milliseconds since 1970; absent where it has never been connected. */
  readonly lastSeenAt?: number | undefined;
  readonly platform?: string | undefined;
  /** Of the agent, as last seen. */
  readonly version?: string | undefined;
  readonly hostname?: string | undefined;
  /** The one on the hub's own machine. */
  readonly local: boolean;
  /** Its key was seen from two machines. */
  readonly cloned: boolean;
  readonly enrolledAt?: number | undefined;
  readonly enrolledByName?: string | undefined;
  /** Since when it is held or revoked. */
  readonly stateAt?: number | undefined;
  readonly apps: readonly { readonly app: string; readonly version?: string | undefined; readonly health: string }[];
}

export interface EnrolmentAsked {
  /** Without one: as the device's host is called. */
  readonly name?: string | undefined;
  readonly count: number;
  /** How long it may be used. Milliseconds. */
  readonly forMs: number;
  readonly labels: Labels;
}

export interface Invitation {
  /** To be pasted on the device. Has the token in it: for the asker's eyes alone. */
  readonly line: string;
  readonly expiresAt: number;
  /** Only devices on the hub's own machine can reach it. */
  readonly loopbackOnly: boolean;
}

/**
 * Devices. Each change is in the audit log, is told to all admins once, and is made once an event. Names are as typed; an
 * id is taken as well.
 */
export interface Devices {
  /** By name, the revoked last. */
  list(): Promise<readonly DeviceDetail[]>;
  /** @throws {FettleError} `unknown_device` */
  find(name: string): Promise<DeviceDetail>;
  /**
   * One line by which devices join. Asked again by the same event, it is made anew, and the first is worth nothing.
   *
   * @param direct nobody else reads the answer
   * @throws {FettleError} `enroll_refused {why}` · `bad_device_name` · `device_name_taken`
   */
  invite(asked: EnrolmentAsked, asker: Asker, direct: boolean): Promise<Invitation>;
  /** @throws {FettleError} `unknown_device` · `bad_device_name` · `device_name_taken` */
  rename(name: string, to: string, asker: Asker): Promise<{ readonly before: string; readonly after: string }>;
  /**
   * @param changes `undefined` as a value takes a label away
   * @throws {FettleError} `unknown_device` · `bad_arguments`
   */
  label(name: string, changes: Readonly<Record<string, string | undefined>>, asker: Asker): Promise<DeviceDetail>;
  /**
   * Its connection ends at once and its key for ever; what runs on it ends as lost.
   *
   * @throws {FettleError} `unknown_device` · `device_is_local`
   */
  revoke(name: string, asker: Asker): Promise<{ readonly name: string; readonly already: boolean }>;
}
