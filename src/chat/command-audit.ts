import type { Kysely } from 'kysely';
import type { Role } from '../domain/app.ts';
import type { Redact } from '../domain/redact.ts';
import { addAudit } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';
import type { CommandAnswer } from './command-table.ts';
import type { Request } from './contract.ts';
import { nameOf } from './read-request.ts';

/** What a person's message turned out to be: filled in while it is worked on. */
export interface Said {
  /** `role`: the least that may run it; `undefined` for a stranger, who may nothing. */
  ran?: { readonly name: string; readonly role: Role | undefined };
  /** The code of the error that is the answer. */
  code?: string;
}

/** Of what was typed, so much is kept. */
const MAX_TEXT = 300;

/**
 * Commands that may change something, and what was refused, in the transaction that answers them: also those that changed
 * nothing and so have no entry of their own. What a viewer may ask for changes nothing, and is not kept. Of what takes a
 * code only its name is: a code that was refused may be good still.
 */
export async function auditCommand(
  trx: Kysely<Database>,
  said: Said & {
    readonly platform: string;
    readonly request: Request;
    readonly answer: CommandAnswer;
    readonly redact: Redact;
    readonly now: number;
  },
): Promise<void> {
  const { platform, request, ran, answer, code } = said;
  if (!ran || (ran.role === 'viewer' && code !== 'not_allowed' && !takesCode(ran.name))) return;
  const plain = ran.role === undefined || takesCode(ran.name);
  await addAudit(trx, {
    at: said.now,
    by: `${platform}:${request.person}`,
    byName: said.redact(nameOf(request)),
    route: request.direct ? { ...request.route, direct: true } : request.route,
    action: 'command',
    target: ran.name,
    result: code ?? ('deferred' in answer ? 'begun' : answer.failed ? 'failed' : 'done'),
    data: {
      text: plain ? undefined : said.redact(request.text).slice(0, MAX_TEXT),
      event: request.eventId,
      ...('deferred' in answer ? { update: answer.deferred } : {}),
    },
  });
}

function takesCode(name: string): boolean {
  return name === 'admin claim' || name === 'admin link';
}
