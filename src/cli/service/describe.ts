import { join } from 'node:path';
import type { LoadedConfig } from '../../../config/load.ts';
import { accountName } from './accounts.ts';
import { hubLacks } from './apart.ts';
import { placeOf, type ServicePlan } from './contract.ts';

/** What an installation would do, line by line. */
export function* describe(plan: ServicePlan): Generator<string> {
  const { options, manager, units, changed, layout, owner, running, loaded } = plan;
  const place = placeOf(plan);
  yield `Home ${layout.home}, ${place ? `keeper and agent run as ${owner.name}, the hub as ${place.user}` : `everything runs as ${owner.name}`}. Nothing is done now; without --dry-run:`;
  yield '';
  for (const unit of units) {
    const path = join(manager.folder, unit.name);
    if (!changed.includes(unit)) {
      yield `${path} stays as it is.`;
      continue;
    }
    yield `write ${path}:`;
    yield '';
    for (const line of unit.text.trimEnd().split('\n')) yield `    ${line}`;
    yield '';
  }
  if (place) {
    yield `make the user ${place.user} unless there is one; give it ${layout.hub.dir}, and to read ${layout.config}, the chats' secrets and ${layout.releases}`;
    yield `write ${layout.keeper.asHub}, which starts the hub as ${place.user}`;
    if (running.how === 'service') yield 'start the hub again, as that user; apps run on';
  }
  yield* usersLines(plan, loaded);
  yield `write ${layout.keeper.dir}/environment, with PATH, language and proxies of this shell`;
  const names = units.map(({ name }) => name).join(' ');
  yield `${manager.command} daemon-reload`;
  yield `${manager.command} enable ${names}`;
  if (running.how === 'detached')
    yield `take over from \`fettle up --detach\`: ${plan.device ? 'the agent is' : 'hub and agent are'} started again, apps run on`;
  yield `${manager.command} start ${names}`;
  if (options.user) yield `(loginctl enable-linger ${owner.name} lets it run without a login; that is yours to decide)`;
}

/** Who shares a user with Fettle, and what the hub can't do any more. */
export function* usersLines(plan: ServicePlan, loaded: LoadedConfig): Generator<string> {
  const { options, owner, apart, layout, device } = plan;
  const place = placeOf(plan);
  if ('together' in apart && !options.user && !device)
    yield `The hub runs as ${owner.name}, as the agent does: ${apart.together}.`;
  if (place) for (const line of hubLacks(layout, loaded, place)) yield `Note: ${line}.`;
  const kept = Object.entries(loaded.config.apps).filter(
    ([, { user, restart }]) => user === undefined && (restart.kind === 'kept' || restart.kind === 'signal'),
  );
  if (!owner.root || options.user || kept.length === 0) return;
  const [first = ''] = kept.map(([app]) => app);
  yield `Note: ${kept.map(([app]) => app).join(', ')}: run as ${owner.name}, as before, and may read and change everything of Fettle. \`user: ${accountName(options.name, first)}\` in the file, then \`fettle install-service\` and \`fettle restart ${first}\`, gives ${first} a user of its own.`;
}
