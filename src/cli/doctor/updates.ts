import { isFinal } from '../../domain/update.ts';
import { type Check, note, ok, wrong } from './contract.ts';
import { pathsIn } from './facts.ts';

const LONG_MS = 3_600_000;

/** The agent's journal: updates that nobody goes on with, and files that nobody can read. */
export const updates: Check = {
  title: 'Updates',
  limitMs: 5_000,
  *look({ journal, layout, clock, keeper }) {
    let fine = true;
    const alive = keeper?.apps.agent?.running != null;
    for (const entry of journal.list()) {
      if (isFinal(entry.state)) continue;
      const { update, app } = entry.order;
      const long = clock.now() - entry.enteredAt > LONG_MS;
      const what = `${app}: ${update} is in ${entry.state} since ${new Date(entry.enteredAt).toISOString()}`;
      fine = false;
      if (!long && alive) yield note(what, `\`/update status ${update}\` shows it.`);
      else if (alive)
        yield wrong(`${what}: it does not move`, `\`/update cancel ${update}\`, or \`fettle rescue ${app} --force\`.`);
      else
        yield wrong(
          `${what}, and nobody goes on with it`,
          `\`fettle up --detach\` goes on; \`fettle rescue ${app}\` goes back.`,
        );
    }
    for (const id of journal.unreadable) {
      fine = false;
      yield wrong(
        `The journal of ${id} can't be read`,
        'Start Fettle: it is set aside then, and the app runs from its last committed version.',
      );
    }
    for (const path of pathsIn(layout.agent.journal, '.unreadable')) {
      fine = false;
      yield note(
        `A journal could not be read and was set aside: ${path}`,
        'Look whether the data of that app is right (docs/recovery.md), then remove the file.',
      );
    }
    if (fine) yield ok('No update is interrupted');
  },
};
