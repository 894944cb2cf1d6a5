import { join } from 'node:path';
import type { ServicePlan } from './contract.ts';

/** What an installation would do, line by line. */
export function* describe(plan: ServicePlan): Generator<string> {
  const { options, manager, units, changed, layout, owner, running } = plan;
  yield `Home ${layout.home}, everything runs as ${owner.name}. Nothing is done now; without --dry-run:`;
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
  yield `write ${layout.keeper.dir}/environment, with PATH, language and proxies of this shell`;
  const names = units.map(({ name }) => name).join(' ');
  yield `${manager.command} daemon-reload`;
  yield `${manager.command} enable ${names}`;
  if (running.how === 'detached')
    yield 'take over from `fettle up --detach`: hub and agent are started again, apps run on';
  yield `${manager.command} start ${names}`;
  if (options.user) yield `(loginctl enable-linger ${owner.name} lets it run without a login; that is yours to decide)`;
}
