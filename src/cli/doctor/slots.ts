import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { executableAt, openInstallation } from '../../../agent/install/index.ts';
import { findSlots, isWhole, type SlotState } from '../../../agent/rescue/candidates.ts';
import { openBlocked } from '../../../agent/updater/blocked.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

/** Writing the marker is the last thing; a copy may keep times of a moment later. */
const SLACK_MS = 5_000;
const NAMED = 3;

/** What is installed: the links, the markers, and what an app writes where it should not. */
export const slots: Check = {
  title: 'Installed versions',
  limitMs: 20_000,
  async *look(facts, signal) {
    if (facts.apps.length === 0) yield note('Nothing is installed yet.');
    const blocked = openBlocked(join(facts.layout.agent.dir, 'blocked.json'));
    for (const app of facts.apps) {
      yield* linksOf(facts, app);
      for (const version of blocked.versions(app)) {
        yield note(
          `${app} ${version} failed here before, and is not tried again by itself`,
          `\`/update now ${app}@${version} --force\` tries it again.`,
        );
      }
      yield* writtenLate(facts, app, signal);
    }
  },
};

function* linksOf(facts: Facts, app: string): Generator<Finding> {
  const folder = facts.layout.app(app);
  const { environment } = facts;
  const spec = facts.kept.get(app)?.spec;
  const { all, current, lastGood } = findSlots(folder, spec, { ...environment.basic, ...environment.passed });
  if (all.length === 0 && !current) {
    yield note(
      `${app} is not installed`,
      app === 'hub' || app === 'agent' ? '`fettle up` installs it.' : `\`/update now ${app}\` installs it.`,
    );
    return;
  }
  const rescue = `fettle rescue ${app}`;
  if (!current) yield wrong(`${app}: ${folder.current} is missing`, rescue);
  else if (!isWhole(current))
    yield wrong(`${app}: \`current\` points to ${current.slot}, ${faultText(current)}`, rescue);
  else yield ok(`${app} ${current.record?.version} (${current.slot}) is whole`);
  if (executableAt(folder) !== undefined && openInstallation(folder, undefined).binary?.isStranger()) {
    yield note(
      `${app}: its executable was replaced by hand`,
      'The next update keeps it as a version of its own, and can go back to it.',
    );
  }
  if (lastGood && !isWhole(lastGood)) {
    yield wrong(
      `${app}: \`last-good\` points to ${lastGood.slot}, ${faultText(lastGood)}: it could not be gone back to`,
      rescue,
    );
  } else if ((!lastGood || lastGood.slot === current?.slot) && app !== 'hub' && app !== 'agent') {
    yield note(`${app} has no earlier version to go back to`, 'The next update leaves one.');
  }
}

function faultText({ fault }: SlotState): string {
  if (fault === 'missing') return 'which is not there';
  return fault === 'unsealed'
    ? 'which is not whole (.fettle/slot.json is missing or damaged)'
    : 'whose program is not there';
}

/** Files of the running slot that are younger than it: they would be lost with the next update. */
async function* writtenLate(facts: Facts, app: string, signal: AbortSignal): AsyncGenerator<Finding> {
  const folder = facts.layout.app(app);
  const { current } = findSlots(folder, undefined, {});
  if (!current?.record) return;
  const root = join(folder.releases, current.slot);
  const since = current.record.sealedAt + SLACK_MS;
  const late: string[] = [];
  const queue = [''];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    signal.throwIfAborted();
    for (const entry of await readdir(join(root, next), { withFileTypes: true }).catch(() => [])) {
      const path = join(next, entry.name);
      if (path === '.fettle') continue;
      if (entry.isDirectory()) queue.push(path);
      else if (entry.isFile() && ((await lstat(join(root, path)).catch(() => undefined))?.mtimeMs ?? 0) > since)
        late.push(path);
    }
  }
  if (late.length === 0) return;
  const roots = [...new Set(late.map((path) => path.split('/')[0] ?? path))].sort();
  const more = late.length > NAMED ? ` and ${late.length - NAMED} more` : '';
  yield wrong(
    `${app} writes into its own version: ${late.sort().slice(0, NAMED).join(', ')}${more}. The next update would leave that behind`,
    `Stop the app, copy it to ${folder.shared}, and add \`keep: [${roots.join(', ')}]\` to apps.${app}.`,
  );
}
