import { lstatSync } from 'node:fs';
import { join } from 'node:path';
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
      if (!app.source)
        yield note(
          `${name} has no \`source\`: it is kept running, but never updated`,
          `Add \`source:\` to apps.${name}.`,
        );
      yield* kept(facts, name, app.keep);
    }
  },
};

/** A kept path is moved and put back by renames: not through a link, and not to another file system. */
function* kept({ layout }: Facts, app: string, paths: readonly string[]): Generator<Finding> {
  const { shared } = layout.app(app);
  const device = lstatSync(shared, { throwIfNoEntry: false })?.dev;
  for (const path of paths) {
    const stat = lstatSync(join(shared, path), { throwIfNoEntry: false });
    if (!stat) continue;
    if (stat.isSymbolicLink()) {
      yield wrong(
        `${app}: the kept path ${path} is a link; what it points to would be in no backup`,
        `With the app stopped, move the data itself to ${join(shared, path)}.`,
      );
    } else if (stat.dev !== device) {
      yield wrong(
        `${app}: the kept path ${path} is on another file system; going back could not put its data in place`,
        `Mount all of ${shared} there, or none of it.`,
      );
    }
  }
}
