import { type Redact, redactDeep } from '../src/domain/redact.ts';
import type { AgentMessage, Outcome, Problem } from '../src/protocol/messages.ts';
import type { Journal } from './journal.ts';

/**
 * What leaves an agent, and what it keeps to tell later: words that an app, an installer or an error has said are redacted
 * here, whoever wrote them down. What it may be long is cut again: something hidden may be longer than what it hides.
 */

/** As the protocol takes them. */
const MAX_VALUE = 500;
const MAX_TEXT = 300;
const MAX_TAIL = 8_000;
const MAX_LOG = 64_000;

export function discreetProblem(problem: Problem, redact: Redact): Problem {
  const of = (value: string) => redact(value).slice(0, Math.max(MAX_VALUE, value.length));
  const data = Object.entries(problem.data).map(([key, value]) => [
    key,
    typeof value === 'string' ? of(value) : Array.isArray(value) ? value.map(of) : value,
  ]);
  return { ...problem, data: Object.fromEntries(data) };
}

function discreetOutcome(outcome: Outcome, redact: Redact): Outcome {
  const { problem, backupProblem, dataProblem, logTail } = outcome;
  return {
    ...outcome,
    ...(problem && { problem: discreetProblem(problem, redact) }),
    ...(backupProblem && { backupProblem: discreetProblem(backupProblem, redact) }),
    ...(dataProblem && { dataProblem: discreetProblem(dataProblem, redact) }),
    ...(logTail !== undefined && { logTail: redact(logTail).slice(-MAX_TAIL) }),
  };
}

/** A journal that holds no secret. */
export function discreetJournal(journal: Journal, redact: Redact): Journal {
  const written = new WeakMap<Outcome, Outcome>();
  return {
    ...journal,
    write(entry) {
      const { problem, backupProblem, dataProblem, logTail, outcome } = entry;
      const told = outcome && (written.get(outcome) ?? discreetOutcome(outcome, redact));
      if (outcome && told) written.set(outcome, told);
      journal.write({
        ...entry,
        problem: problem && discreetProblem(problem, redact),
        ...(backupProblem && { backupProblem: discreetProblem(backupProblem, redact) }),
        ...(dataProblem && { dataProblem: discreetProblem(dataProblem, redact) }),
        logTail: logTail === null ? null : redact(logTail).slice(-MAX_TAIL),
        outcome: told,
      });
    },
  };
}

/** A message to the hub without secrets. Numbers, names and versions stay. */
export function discreetMessage(message: AgentMessage, redact: Redact): AgentMessage {
  const problem = 'problem' in message && message.problem && { problem: discreetProblem(message.problem, redact) };
  switch (message.type) {
    case 'report': {
      const { progress, note } = message;
      const text = progress?.text;
      return {
        ...message,
        ...(progress && text !== undefined && { progress: { ...progress, text: redact(text).slice(0, MAX_TEXT) } }),
        ...(note && { note: discreetProblem(note, redact) }),
      };
    }
    case 'outcome':
    case 'local-outcome':
      return { ...message, outcome: discreetOutcome(message.outcome, redact) };
    case 'log':
      return { ...message, text: redact(message.text).slice(-MAX_LOG), ...problem };
    case 'order-ack':
    case 'backups':
      return { ...message, ...problem };
    case 'hello':
    case 'inventory':
    case 'cancel-result':
    case 'lock-answer':
    case 'unknown':
      return message;
    default: {
      // What is said of an audit log is signed and chained as it was written.
      const { type }: { readonly type: string } = message;
      return type === 'audit' ? message : redactDeep(message, redact);
    }
  }
}
