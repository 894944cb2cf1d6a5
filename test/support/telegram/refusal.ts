/** A call that the Bot API refuses: `{ok: false, error_code, description, parameters}` (core.telegram.org/bots/api#making-requests). */
export class Refusal extends Error {
  readonly code: number;
  readonly parameters: Readonly<Record<string, number>> | undefined;

  constructor(code: number, description: string, parameters?: Readonly<Record<string, number>>) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}

/** What most refusals are. The server writes `Bad Request: ` before what is wrong. */
export function badRequest(what: string): Refusal {
  return new Refusal(400, `Bad Request: ${what}`);
}
