import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { withData } from '../../../agent/install/index.ts';
import { isWhereverSigned } from '../../../agent/source-of.ts';
import { refuseUnmovable } from '../../../agent/updater/movable.ts';
import type { AppConfig } from '../../../config/agent-schema.ts';
import { isAgentFile } from '../../../config/load-device.ts';
import { FettleError } from '../../domain/errors.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

/** `fettle.yaml`: readable, and what it leaves open. */
export const configuration: Check = {
  title: 'Configuration',
  limitMs: 5_000,
  *look(facts) {
    const { config, configFile, configProblems } = facts;
    for (const problem of configProblems) yield wrong(problem, 'Mend that line; until then apps run on as they are.');
    if (configProblems.length > 0) return;
    if (!config) {
      yield note(`${configFile} is not there yet: the first \`fettle up\` writes one.`);
      return;
    }
    const apps = Object.entries(config.apps);
    yield ok(`${configFile}: ${apps.length} ${apps.length === 1 ? 'app' : 'apps'}`);
    for (const [name, app] of apps) {
      if (app.healthy.http === undefined) {
        yield note(
          `${name} has no \`healthy: {http: …}\`: only its process is watched, not whether it answers`,
          `Add \`healthy: {http: "http://127.0.0.1:PORT/"}\` to apps.${name}.`,
        );
      }
      if (!app.source && !(isAgentFile(configFile) && isWhereverSigned(app)))
        yield note(
          `${name} has no \`source\`: it is kept running, but never updated`,
          `Add \`source:\` to apps.${name}.`,
        );
      yield* kept(facts, name, app);
    }
  },
};

/** A kept path is moved and put back by renames: not through a link, and not to another file system. */
function* kept({ layout }: Facts, app: string, config: AppConfig): Generator<Finding> {
  const folder = withData(layout.app(app), config);
  const { shared } = folder;
  for (const path of config.keep) {
    const stat = lstatSync(join(shared, path), { throwIfNoEntry: false });
    if (!stat) continue;
    if (stat.isSymbolicLink()) {
      yield wrong(
        `${app}: the kept path ${path} is a link; what it points to would be in no backup`,
        `With the app stopped, move the data itself to ${join(shared, path)}.`,
      );
    }
  }
  // As before an update, which is refused then.
  const problem = unmovable({ app, config, folder });
  if (problem?.code === 'other_filesystem') {
    yield wrong(
      `${app}: ${problem.data.path} is a mount point, or on another file system than ${folder.dir}; going back could not put its data in place`,
      `${problem.data.advice}.`,
    );
  }
}

function unmovable(of: Parameters<typeof refuseUnmovable>[0]): FettleError | undefined {
  try {
    refuseUnmovable(of);
    return undefined;
  } catch (error) {
    return error instanceof FettleError ? error : undefined;
  }
}
