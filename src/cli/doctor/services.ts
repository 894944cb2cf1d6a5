import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createSystemctl,
  type Systemctl,
  systemctlEnvironment,
  type UnitName,
  type UnitState,
} from '../../../agent/restart/systemctl.ts';
import { heldMark } from '../../../agent/restart/systemd.ts';
import { CHECKED, checkFault, namesPlace, placeOf, unitFault, userFault } from '../../../agent/restart/unit-check.ts';
import type { AppConfig } from '../../../config/agent-schema.ts';
import { readServiceRecord, type ServiceRecord } from '../../../config/home.ts';
import { ownerOf } from '../service/owner.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

const OWN = ['KillMode', 'OOMPolicy', 'Restart', 'UnitFileState', 'NeedDaemonReload'];

/** What systemd starts: Fettle itself, and apps that are units of their own. */
export const services: Check = {
  title: 'Services',
  limitMs: 15_000,
  async *look(facts) {
    yield* noexec(facts);
    const record = readServiceRecord(facts.layout.home);
    const driven = Object.entries(facts.config?.apps ?? {}).filter(([, { restart }]) => restart.kind === 'systemd');
    if (!existsSync('/run/systemd/system')) {
      const names = [...driven.map(([app]) => app), ...(record ? ['Fettle'] : [])];
      if (names.length > 0)
        yield wrong(`systemd does not run here, but is to start ${names.join(', ')}`, 'Change `restart:` in the file.');
      return;
    }
    const systemctl = createSystemctl({ env: systemctlEnvironment(facts.environment.basic) });
    if (record) yield* ownUnits(facts, record, systemctl);
    else if (facts.exists)
      yield note('Fettle is no service: it does not start with the machine', '`fettle install-service`');
    for (const [app, config] of driven) yield* appUnit(facts, app, config, systemctl);
  },
};

async function* ownUnits(facts: Facts, record: ServiceRecord, systemctl: Systemctl): AsyncGenerator<Finding> {
  const command = `systemctl ${record.user ? '--user ' : ''}`;
  for (const [index, unit] of record.units.entries()) {
    const state = await look(systemctl, { unit, user: record.user }, OWN);
    if (typeof state === 'string') {
      yield wrong(`${unit}: ${state}`);
      continue;
    }
    if (state.load !== 'loaded') {
      yield wrong(`${unit} is ${state.load}`, 'fettle install-service');
      continue;
    }
    let fine = true;
    const { UnitFileState, NeedDaemonReload, ...settings } = state.properties;
    const expected =
      index === 0 ? { KillMode: 'process', OOMPolicy: 'continue', Restart: 'always' } : { Restart: 'always' };
    for (const [name, value] of Object.entries(expected)) {
      if (settings[name] === value) continue;
      fine = false;
      yield wrong(
        `${unit} has ${name}=${settings[name]}: ${WHY[name as keyof typeof WHY]}`,
        `Take it out of the drop-in (\`${command}edit ${unit}\`), or \`fettle install-service\`.`,
      );
    }
    if (UnitFileState !== 'enabled') {
      fine = false;
      yield wrong(`${unit} does not start with the machine (${UnitFileState})`, `${command}enable ${unit}`);
    }
    if (NeedDaemonReload === 'yes') {
      fine = false;
      yield wrong(`${unit} was changed, and systemd has not read it since`, `${command}daemon-reload`);
    }
    if (state.active === 'failed' || state.active === 'inactive') {
      fine = false;
      const how = state.result === 'success' ? '' : ` (${state.result})`;
      yield facts.keeper
        ? note(`${unit} does not run${how}, but Fettle does`, '`fettle install-service` has the service take over.')
        : wrong(`${unit} does not run${how}`, `${command}start ${unit}`);
    }
    if (fine) yield ok(`${unit} is ${state.active}, and starts with the machine`);
  }
  const { name } = ownerOf(facts.layout.home);
  if (record.user && !existsSync(join('/var/lib/systemd/linger', name)))
    yield wrong(
      `${name} has no lingering: Fettle and its apps stop when ${name} logs out, and do not start with the machine`,
      `loginctl enable-linger ${name}`,
    );
}

const WHY = {
  KillMode: 'apps end when the keeper does',
  OOMPolicy: "one app's lack of memory stops all",
  Restart: 'nobody starts it again when it ends',
} as const;

async function* appUnit(facts: Facts, app: string, config: AppConfig, systemctl: Systemctl): AsyncGenerator<Finding> {
  if (config.restart.kind !== 'systemd') return;
  const name: UnitName = config.restart;
  const command = `systemctl ${name.user ? '--user ' : ''}`;
  const state = await look(systemctl, name, CHECKED);
  if (typeof state === 'string') {
    yield wrong(`${app}: ${state}`);
    return;
  }
  const folder = facts.layout.app(app);
  if (readServiceRecord(facts.layout.home)?.units.includes(name.unit)) {
    yield wrong(`${app}: Fettle itself runs in ${name.unit}`, 'Give the app a unit of its own.');
    return;
  }
  const fault = unitFault(name, state) ?? (await userFault(state, config, folder, systemctl.mayEnter));
  if (fault !== undefined) {
    yield wrong(`${app}: ${fault}`);
    return;
  }
  let fine = true;
  const deaf = checkFault(name, state, config.healthy);
  if (deaf) {
    fine = false;
    yield wrong(
      `${app}: \`healthy: ${deaf.check}\` can't be looked at: ${deaf.reason}`,
      'Change the unit, or the check.',
    );
  }
  if (!namesPlace(state, placeOf(config, folder))) {
    fine = false;
    yield wrong(
      `${app}: ${name.unit} does not name what Fettle installs`,
      `In the unit: ${config.binary === undefined ? `WorkingDirectory=${folder.current}` : `ExecStart=${config.binary}`}`,
    );
  }
  if (state.result === 'start-limit-hit') {
    fine = false;
    yield wrong(
      `${app}: ${name.unit} has ended too often, and systemd starts it no more`,
      `${command}reset-failed ${name.unit}; then \`/update rollback ${app}\`, or ${command}start ${name.unit}`,
    );
  } else if (state.active !== 'active') {
    fine = false;
    yield note(`${app}: ${name.unit} is ${state.active}`, `${command}start ${name.unit}`);
  }
  if (state.properties.UnitFileState === 'disabled') {
    fine = false;
    yield note(`${app}: ${name.unit} does not start with the machine`, `${command}enable ${name.unit}`);
  }
  if (!textOf(state).includes(`ConditionPathExists=!${heldMark(facts.layout, app)}`)) {
    yield note(
      `${app}: were the power cut during a switch, systemd would start ${name.unit} before Fettle has put things in order`,
      `In its [Unit]: ConditionPathExists=!${heldMark(facts.layout, app)}`,
    );
  }
  if (fine) yield ok(`${app} is ${name.unit}, and runs from where it should`);
}

/** What is written of a unit; systemd tells what became of its conditions, not what they are. */
function textOf({ properties: { FragmentPath = '', DropInPaths = '' } }: UnitState): string {
  const texts = [FragmentPath, ...DropInPaths.split(' ')].map((path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  });
  return texts.join('\n').replaceAll('%%', '%');
}

async function look(systemctl: Systemctl, name: UnitName, more: readonly string[]): Promise<UnitState | string> {
  try {
    return await systemctl.show(name, more);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Programs of a home must be allowed to run. */
function* noexec({ layout, exists }: Facts): Generator<Finding> {
  if (!exists) return;
  let mounts: string[][];
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
  } catch {
    return;
  }
  const point = (mount: readonly string[]) =>
    (mount[4] ?? '').replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
  const holds = (path: string) => path === '/' || layout.home === path || layout.home.startsWith(`${path}/`);
  const mount = mounts
    .filter((one) => one.length > 5 && holds(point(one)))
    // The last of those at one place is on top.
    .reduce<string[] | undefined>(
      (best, one) => (!best || point(one).length >= point(best).length ? one : best),
      undefined,
    );
  if (mount?.[5]?.split(',').includes('noexec'))
    yield wrong(
      `The file system of ${layout.home} is mounted noexec (${point(mount)}): no version can be started from it`,
      'Mount it without noexec, or move the home (docs/install.md).',
    );
}
