import type { Role } from '../../domain/app.ts';
import type { ErrorCode } from '../../domain/errors.ts';

/** Codes of what is wrong with people and approvals: texts in files of their own. */
export type PeopleCode = Extract<
  ErrorCode,
  | 'claim_refused'
  | 'link_refused'
  | 'unknown_person'
  | 'bad_person'
  | 'shared_account'
  | 'last_admin'
  | 'not_your_account'
  | 'only_account'
  | 'asker_gone'
  | 'nothing_to_approve'
  | 'not_approving'
  | `approval_${string}`
>;

/** What changed among people, as all admins are told. `account` is `telegram:123`. */
export type PeopleNews =
  | { readonly what: 'claimed'; readonly name: string; readonly account: string; readonly first: boolean }
  /** A right code was typed where others read. */
  | { readonly what: 'burnt'; readonly name: string; readonly account: string }
  | {
      readonly what: 'role';
      readonly name: string;
      readonly accounts: readonly string[];
      /** Absent: had none. */
      readonly before?: Role | undefined;
      /** Absent: has none any more. */
      readonly after?: Role | undefined;
      readonly by: string;
    }
  | {
      readonly what: 'linked';
      readonly name: string;
      readonly accounts: readonly string[];
      readonly role: Role;
      /** What the account could do before; absent: nothing. */
      readonly before?: Role | undefined;
    }
  | { readonly what: 'unlinked'; readonly name: string; readonly account: string; readonly by: string };

/** Wording of people and approvals. */
export interface PeopleTexts {
  readonly role: (role: Role) => string;
  readonly news: (news: PeopleNews) => { readonly title: string; readonly text: string };
  /** To somebody who has no role, in a hub with an admin: how to be let in. */
  readonly letMeIn: (account: string, role: Role) => string;
  /** The same where nobody has claimed the hub. */
  readonly unclaimed: string;

  readonly approvalTitle: (app: string, to: string | undefined) => string;
  readonly automatic: string;
  /** It was asked for with `--force`. */
  readonly forced: string;
  readonly fieldAsks: string;
  readonly fieldVersion: string;
  readonly fieldDigest: string;
  readonly fieldDevice: string;
  readonly fieldUntil: string;
  readonly approve: string;
  readonly confirm: string;
  readonly reject: string;
  /** Who may press. */
  readonly bySecond: string;
  readonly byYourself: string;
  /** Nobody in the chats could. */
  readonly byTerminal: (id: string) => string;
  readonly byAnyone: string;
  /** What became of the question. */
  readonly approved: (by: string) => string;
  readonly rejected: (by: string) => string;
  readonly lapsed: string;
  readonly takenBack: string;
}
