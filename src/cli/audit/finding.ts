/** Something that `fettle audit verify` found. */
export interface Finding {
  /** `wrong` is a failure; `note` explains what could be taken for one. */
  readonly level: 'wrong' | 'note';
  readonly code: string;
  /** `hub`, or the device's name. */
  readonly log: string;
  readonly text: string;
  /** When it happened, as far as the log says; milliseconds since 1970. */
  readonly at?: number | undefined;
}

export const wrong = (log: string, code: string, text: string, at?: number): Finding => ({
  ...{ level: 'wrong', log, code, text, at },
});
export const note = (log: string, code: string, text: string, at?: number): Finding => ({
  ...{ level: 'note', log, code, text, at },
});

export const day = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
