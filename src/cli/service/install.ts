import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isUp } from '../../../agent/restart/systemctl.ts';
import { layoutWith, type ServiceRecord, serviceRecord } from '../../../config/home.ts';
import { type LoadedConfig, loadConfig, parseConfig } from '../../../config/load.ts';
import { makeFolder, writeDurably } from '../../files/durable.ts';
import { agentFile, isEnrolled } from '../enrolled.ts';
import { prepareAll } from '../up.ts';
import { accountName } from './accounts.ts';
import { giveBack, hubPlace, makeAppAccounts, settleApart, whyTogether } from './apart.ts';
import { type Manager, placeOf, refused, type ServiceOptions, type ServicePlan } from './contract.ts';
import { describe, usersLines } from './describe.ts';
import { letGo, runningNow, serve, takeBack } from './hand-over.ts';
import { managerFor, requireManager } from './manager.ts';
import { asUser, type Owner, ownerOf } from './owner.ts';
import { environmentFile, environmentLine, type UnitPlan, unitNames, unitsFor } from './units.ts';

/**
 * `fettle install-service`: a home that is set up, units, and everything running under them. Safe to repeat.
 * @returns the exit code
 * @throws {FettleError} `service_refused` with nothing changed
 */
export async function runInstallService(options: ServiceOptions): Promise<number> {
  const { say } = options;
  const manager = managerFor(options);
  if (!options.dryRun || existsSync('/run/systemd/system')) await requireManager(manager, options.user);
  const plan = await planFor(options, manager);
  if (options.dryRun) {
    for (const line of describe(plan)) say(line);
    return 0;
  }
  const { layout, owner, running } = plan;
  const place = placeOf(plan);
  const loaded = await asUser(owner, async () => {
    const appUser = place ? (app: string) => accountName(options.name, app) : undefined;
    const made = await prepareAll({ ...options, layout, running: running.how !== 'nothing', appUser });
    writeDurably(environmentFile(layout), plan.environment);
    // systemd would make them root's, and their owner could not cut them short.
    for (const log of [layout.keeper.log, layout.appLog('hub')]) appendFileSync(log, '', { mode: 0o600 });
    return made;
  });
  makeAppAccounts(plan, loaded);
  if (place) settleApart(plan, place, loaded);
  makeFolder(manager.folder, 0o755);
  for (const { name, text } of plan.changed) {
    writeDurably(join(manager.folder, name), text, 0o644);
    say(`Wrote ${join(manager.folder, name)}`);
  }
  const { user } = options;
  await manager.systemctl.run({ user }, ['daemon-reload']);
  const names = plan.units.map(({ name }) => name);
  await manager.systemctl.run({ user }, ['enable', ...names]);
  const record: ServiceRecord = { units: names, user, runtime: manager.runtime, ...(place ? { hub: place } : {}) };
  if (running.how === 'detached') await letGo(plan);
  await asUser(owner, async () => writeDurably(serviceRecord(layout.home), `${JSON.stringify(record)}\n`, 0o600));
  try {
    await manager.systemctl.run({ user }, ['start', ...names], START_MS);
    await serve(plan);
  } catch (error) {
    if (running.how === 'detached') await takeBack(plan);
    throw error;
  }
  // Only now does nothing of it run as that user.
  if (!place && existsSync(layout.keeper.asHub)) giveBack(layout, loaded, options);
  for (const line of after(plan, loaded)) say(line);
  return 0;
}

const START_MS = 60_000;

async function planFor(options: ServiceOptions, manager: Manager): Promise<ServicePlan> {
  const { layout: now, name, user, separate, environment } = options;
  const owner = ownerOf(now.home);
  const place = hubPlace(name);
  const device = isEnrolled(now);
  if (device && separate)
    throw refused('its hub is on another machine, and needs no unit here', 'Leave out --separate');
  const together = device
    ? 'it is elsewhere'
    : user
      ? 'it is a service of your own'
      : whyTogether(options, owner, place);
  const apart = together === undefined ? place : { together };
  const layout = layoutWith(now.home, manager.runtime, together === undefined ? place : undefined);
  if (user && owner.uid !== process.geteuid?.())
    throw refused(`${layout.home} belongs to ${owner.name}`, `Run this as ${owner.name}`);
  const names = unitNames({ name, separate });
  for (const unit of names) {
    const text = readText(join(manager.folder, unit));
    const home = text && /^WorkingDirectory=(.*)$/m.exec(text)?.[1]?.replaceAll('%%', '%');
    if (home && home !== layout.home) throw refused(`${unit} is there for ${home}`, 'Give this one another --name');
  }
  const others = unitNames({ name, separate: !separate }).filter((unit) => existsSync(join(manager.folder, unit)));
  if (others.length > 0)
    throw refused(
      `${others.join(' and ')} ${others.length === 1 ? 'is' : 'are'} there`,
      '`fettle install-service --uninstall` first',
    );
  const file = options.config ?? (device ? agentFile(layout) : layout.config);
  const loaded = existsSync(file) ? loadConfig(file) : { file, config: parseConfig('', file) };
  const unitPlan: UnitPlan = {
    ...{ name, user, separate, layout, owner, device, apart: together === undefined ? place : undefined },
    apps: loaded.config.apps,
    hubArguments: [
      join(layout.app('hub').current, '.fettle', 'node'),
      join(layout.app('hub').current, '.fettle', 'fettle'),
      ...['hub', '--home', layout.home],
      ...(options.config === undefined ? [] : ['--config', options.config]),
    ],
  };
  const units = unitsFor(unitPlan);
  return {
    ...{ options, manager, owner, units, apart, layout, loaded, device },
    changed: units.filter((unit) => readText(join(manager.folder, unit.name)) !== unit.text),
    environment: environmentText(environment, user, owner),
    running: await runningNow(now, await isActive(manager, names[0] ?? '')),
  };
}

async function isActive(manager: Manager, unit: string): Promise<boolean> {
  if (!existsSync('/run/systemd/system')) return false;
  return isUp(await manager.systemctl.show(manager.unit(unit)));
}

/** Of what belongs to this shell, and not to a service: secrets are in files of their own. */
const NOT_FOR_SERVICES =
  /^(FETTLE_(START|APP|BECAME|UNIT|KEEPER_END|HOME|GITHUB_TOKEN)|XDG_RUNTIME_DIR|TMPDIR|USER|LOGNAME|SHELL|HOME)$/;

/** What this shell says of proxies, certificates, language and programs; the service has no shell. */
function environmentText({ basic, passed }: ServiceOptions['environment'], user: boolean, owner: Owner): string {
  const variables = Object.entries({ ...basic, ...passed }).filter(([name]) => !NOT_FOR_SERVICES.test(name));
  // npm puts folders of the checkout first, which is for this command alone.
  const clean = variables.map(([name, value]): [string, string] => [
    name,
    name === 'PATH'
      ? value
          .split(':')
          .filter((folder) => !folder.includes('node_modules'))
          .join(':')
      : value,
  ]);
  // systemd sets it for services of other users.
  const home: [string, string][] = !user && owner.root ? [['HOME', owner.home ?? '/root']] : [];
  const lines = [...clean, ...home].filter(([, value]) => !value.includes('\n'));
  return [
    '# Variables of the service, as they were when it was installed.',
    ...lines.map((of) => environmentLine(...of)),
    '',
  ].join('\n');
}

function* after(plan: ServicePlan, loaded: LoadedConfig): Generator<string> {
  const { options, manager, units, changed, owner, running } = plan;
  const names = units.map(({ name }) => name).join(' and ');
  if (running.how === 'service' && changed.length > 0)
    yield `What has changed counts from the next start: \`${manager.command} restart ${names.replace(' and ', ' ')}\` (stops the apps, and starts them)`;
  const look = plan.device ? '`fettle status` shows how this device is' : '`fettle chat` opens the chat';
  yield `Fettle runs as ${names} and starts with the machine. ${look}, \`${manager.command} stop ${units[0]?.name}\` stops everything.`;
  yield* usersLines(plan, loaded);
  if (options.user && !existsSync(join('/var/lib/systemd/linger', owner.name)))
    yield `When ${owner.name} logs out, it is stopped, and it starts at the next login only: \`loginctl enable-linger ${owner.name}\` changes that.`;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
