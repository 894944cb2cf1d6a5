import { type Role, roleAllows } from './app.ts';

/** Who may approve an update. Pure. */

/**
 * Whether updates of an app wait for somebody's word. `confirm`: for another person's, or where nobody else could give
 * it, for the asker's own once more. `second`: for another person's, always.
 */
export const APPROVALS = ['none', 'confirm', 'second'] as const;
export type Approval = (typeof APPROVALS)[number];

/** A request that nobody has decided about by then is over. Milliseconds. */
export const APPROVAL_MS = 24 * 60 * 60_000;
/** Operator or higher for so long: who lets in a friend now has no second person now. Milliseconds. */
export const APPROVER_MS = 24 * 60 * 60_000;

/** Somebody as far as approvals are concerned. All accounts of one person are one. */
export interface Approver {
  /** The person's id, or `local`: whoever can open the hub's socket. */
  readonly person: string;
  readonly role: Role;
  /** Operator or higher since then. Milliseconds since 1970. */
  readonly since: number | null;
}

/** The terminal on the hub's machine, which is a person of its own: who has it could also change the hub's file. */
export const LOCAL: Approver = { person: 'local', role: 'admin', since: Number.NEGATIVE_INFINITY };

/** Operator or higher, for long enough. */
export function isApprover({ role, since }: Approver, now: number): boolean {
  return roleAllows(role, 'operator') && since !== null && now - since >= APPROVER_MS;
}

export type Refusal =
  /** It is the asker, or one of their other accounts. */
  | 'own'
  /** Not an operator for long enough. */
  | 'too-new';

/**
 * Why somebody may not approve; `undefined`: may.
 *
 * @param request.askers ids of the person who asked, then and now; empty: nobody did (an automatic update)
 * @param others does anybody else, the terminal apart, count as an approver now?
 */
export function refusal(
  request: { readonly mode: Exclude<Approval, 'none'>; readonly askers: readonly string[] },
  approver: Approver,
  others: boolean,
  now: number,
): Refusal | undefined {
  const alone = request.mode === 'confirm' && !others;
  if (request.askers.includes(approver.person)) return alone ? undefined : 'own';
  if (isApprover(approver, now)) return undefined;
  // Nobody asked and nobody is an approver yet: whoever is there decides.
  return alone && request.askers.length === 0 && roleAllows(approver.role, 'operator') ? undefined : 'too-new';
}
