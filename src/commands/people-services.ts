import type { Role } from '../domain/app.ts';
import type { Asker } from './asker.ts';

/** What commands need of people and approvals. */

export interface AccountView {
  /** `telegram:123` */
  readonly id: string;
  /** As last seen. */
  readonly name: string;
  /** Milliseconds since 1970; 0: never. */
  readonly seenAt: number;
}

export interface PersonView {
  /** `p-7k2m` */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly accounts: readonly AccountView[];
}

export interface RoleChange {
  readonly name: string;
  /** All accounts that it is about. */
  readonly accounts: readonly string[];
  /** Absent: had none. */
  readonly before?: Role | undefined;
  /** Absent: has none any more. */
  readonly after?: Role | undefined;
}

/**
 * People and their roles. Each change is in the audit log, is told to all admins once, and is made once an event. Whoever
 * asks is looked up again in the transaction that makes the change.
 */
export interface People {
  /** The oldest first. */
  list(): Promise<readonly PersonView[]>;
  /** Accounts that have only spoken to the bot, newest first. */
  strangers(): Promise<readonly AccountView[]>;
  /**
   * Makes the asker an admin.
   *
   * @param direct nobody else reads the chat; else the code is burnt
   * @throws {FettleError} `claim_refused {why, left?}`
   */
  claim(code: string, asker: Asker, direct: boolean): Promise<{ readonly already: boolean; readonly first: boolean }>;
  /**
   * Gives somebody a role, known or not.
   *
   * @param person as typed: `telegram:123`, `p-7k2m`, `@name`
   * @param known only somebody who has a role already
   * @throws {FettleError} `unknown_person` · `bad_person` · `last_admin` · `not_allowed`
   */
  setRole(person: string, role: Role, asker: Asker, known: boolean): Promise<RoleChange>;
  /** @throws {FettleError} as {@link setRole} */
  remove(person: string, asker: Asker): Promise<RoleChange>;
  /**
   * A code by which another account joins the asker's.
   *
   * @throws {FettleError} `link_refused {why}`
   */
  newLink(asker: Asker, direct: boolean): Promise<{ readonly code: string; readonly expiresAt: number }>;
  /**
   * Joins the asker's account (and what is joined to it) to the one that made the code, whose role counts.
   *
   * @throws {FettleError} `link_refused {why, left?}`
   */
  link(code: string, asker: Asker, direct: boolean): Promise<LinkResult>;
  /**
   * Takes an account off its person: the asker's own, or for an admin anybody's. It can do nothing any more.
   *
   * @throws {FettleError} `unknown_person` · `not_your_account` · `only_account`
   */
  unlink(account: string, asker: Asker): Promise<{ readonly account: string; readonly name: string }>;
}

export interface LinkResult {
  readonly name: string;
  readonly role: Role;
  /** Of the account that joined; absent: had none. */
  readonly before?: Role | undefined;
  readonly accounts: readonly string[];
}

export interface Decided {
  readonly id: string;
  readonly app: string;
  readonly to?: string | undefined;
  /** Who asked for the update. */
  readonly requestedByName: string;
  /** It was the asker's own word, once more. */
  readonly own: boolean;
}

/** Updates that wait for somebody's word. Safe to repeat. */
export interface Approvals {
  /**
   * @param id without one: the only update that waits
   * @throws {FettleError} `nothing_to_approve` · `not_approving` · `unknown_update` · `approval_refused {why}` ·
   *   `approval_void {why}`, and then the update is over · `bad_arguments` where several wait
   */
  approve(id: string | undefined, asker: Asker, signal: AbortSignal): Promise<Decided>;
  /** @throws {FettleError} `nothing_to_approve` · `not_approving` · `unknown_update` · `bad_arguments` */
  reject(id: string | undefined, asker: Asker): Promise<Decided>;
}
