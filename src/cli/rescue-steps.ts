import type { Found, SlotFault, Step } from '../../agent/rescue/contract.ts';
import { MESSAGES } from '../chat/messages/index.ts';
import { isErrorCode } from '../domain/errors.ts';
import type { UpdateState } from '../domain/update.ts';
import type { Problem } from '../protocol/messages.ts';

/** What a rescue says while it works, and what it found, in words. */

/** One line of progress. */
export function stepLine(app: string, step: Step): string {
  return `${app}: ${textOf(app, step)}`;
}

function textOf(app: string, step: Step): string {
  switch (step.step) {
    case 'found':
      return foundText(app, step.found);
    case 'going-back':
      return GOING_BACK[step.state]?.(step.to ?? 'what was there') ?? step.state;
    case 'waiting':
      return 'it runs, but does not answer well; waiting for it';
    case 'stopping':
      return 'stopping what runs';
    case 'agent-stopped':
      return 'the agent is stopped for as long as this takes';
    case 'keeper-starting':
      return 'starting the keeper, and with it everything that it keeps';
    case 'switching':
      return `switching to ${step.version}`;
    case 'starting':
      return `starting ${step.version}`;
    case 'checking':
      return `checking that ${step.version} works`;
  }
}

const GOING_BACK: Partial<Record<UpdateState, (to: string) => string>> = {
  starting: () => 'starting the new version once more',
  probing: () => 'checking the new version once more',
  committing: () => 'the update had succeeded; finishing it',
  reverting: (to) => `going back to ${to}, with its data where the new version may have changed it`,
  restarting: (to) => `starting ${to}`,
  reprobing: (to) => `checking ${to}`,
  discarding: () => 'clearing away what the update had fetched',
};

/** Something that was found, as a sentence without its full stop. */
export function foundText(app: string, found: Found): string {
  switch (found.kind) {
    case 'current':
      return found.fault === 'no-link'
        ? '`current` is missing'
        : `\`current\` points to ${found.slot}, ${FAULTS[found.fault]}`;
    case 'last-good':
      return `\`last-good\` pointed to ${found.slot}, ${FAULTS[found.fault]}${found.now === null ? '' : `; now it points to ${found.now}`}`;
    case 'ill':
    case 'ended':
    case 'not-started':
      return problemText(found.problem, `${found.version} is not well`);
    case 'crashed':
      return `it crashed ${found.times === 1 ? 'once' : `${found.times} times`} since it was last well`;
    case 'journal-unreadable':
      return `the journal of an update can't be read (${found.files.join(', ')}): data is left as it is`;
    case 'no-configuration':
      return `no configuration for ${app}: whether it answers is not checked, only that it runs`;
    case 'interrupted':
      return `its update ${found.update} was interrupted in ${found.state}`;
  }
}

const FAULTS: Readonly<Record<SlotFault, string>> = {
  missing: 'which is not there',
  unsealed: 'which is not whole: its .fettle/slot.json is missing or damaged',
  'no-program': 'whose program is not there',
};

/** A problem in one line, without what to do: a rescue says that itself. */
export function problemText(problem: Problem, otherwise: string): string {
  if (!isErrorCode(problem.code)) return otherwise;
  return MESSAGES.en.problem(problem.code, problem.data).text.replace(/\.$/, '');
}
