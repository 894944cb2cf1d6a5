/** What there is to an installation of one executable, beside what all installations have. */
export interface BinaryParts {
  /** Where it is now, links resolved. */
  target(): string;
  /** The file of a slot, absolute; it need not be there yet. */
  file(slot: string): string;
  /** Is what is installed no slot: put there by hand, or before Fettle? Then `current` names the slot that it would be. */
  isStranger(): boolean;
  /** The newest version that `current` and last-good were noted with; `undefined` where none is known. */
  noted(): string | undefined;
  /**
   * Makes what is installed a slot of its own and `current`, beside what it is: nothing is replaced. Where the slot is
   * there already, its file is brought beside the executable again, should that have moved. Idempotent.
   */
  adopt(slot: string, version: string, now: number, signal: AbortSignal): Promise<void>;
  /**
   * Makes a sealed slot one that can be switched to: its file is what was sealed, is beside the executable, and has the
   * owner, mode and attributes of what it replaces.
   * @throws {FettleError} `artifact_invalid {reason}` · `not_replaceable`
   */
  ready(slot: string, signal: AbortSignal): Promise<void>;
  /** A script is run by its interpreter: what a process has of it is its path, which says nothing of which version it read. */
  isScript(): boolean;
  /** @throws {FettleError} `not_replaceable {path, reason, advice}` */
  refuse(slot: string, signal: AbortSignal): Promise<void>;
}
