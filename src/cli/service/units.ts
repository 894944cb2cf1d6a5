import { basename, dirname } from 'node:path';
import type { AppConfig } from '../../../config/agent-schema.ts';
import type { HomeLayout, HubPlace } from '../../../config/home.ts';

/** The units that `fettle install-service` writes: pure texts. What each setting is for is in docs/systemd.md. */

export interface UnitPlan {
  /** `fettle`, or another name where a machine has several homes. */
  readonly name: string;
  readonly user: boolean;
  readonly separate: boolean;
  /** Its hub is elsewhere. */
  readonly device?: boolean;
  readonly layout: HomeLayout;
  /** Who owns the home, and so who everything runs as. */
  readonly owner: { readonly name: string; readonly root: boolean };
  /** The hub's own user, where it has one. */
  readonly apart?: HubPlace | undefined;
  readonly apps: Readonly<Record<string, AppConfig>>;
  /** Arguments of the hub, where it has a unit of its own. */
  readonly hubArguments: readonly string[];
}

export interface Unit {
  readonly name: string;
  readonly text: string;
}

/** What the units of a plan are called: who starts the apps first. */
export function unitNames({ name, separate }: Pick<UnitPlan, 'name' | 'separate'>): string[] {
  return separate ? [`${name}-agent.service`, `${name}-hub.service`] : [`${name}.service`];
}

/** Variables of the units, which may hold secrets (proxies): a file that its owner alone can read. */
export function environmentFile(layout: HomeLayout): string {
  return `${layout.keeper.dir}/environment`;
}

/** The text of each unit. */
export function unitsFor(plan: UnitPlan): Unit[] {
  const [first = '', hub] = unitNames(plan);
  const keeper = { name: first, text: render(keeperUnit(plan, first)) };
  return hub === undefined ? [keeper] : [keeper, { name: hub, text: render(hubUnit(plan, hub)) }];
}

type Line = readonly [string, string] | undefined | false;
type Sections = Readonly<Record<'Unit' | 'Service' | 'Install', readonly Line[]>>;

/** The keeper, and everything that it keeps: other people's programs, so what is forbidden is what no app may need. */
function keeperUnit(plan: UnitPlan, name: string): Sections {
  const { layout, user, separate, device } = plan;
  const what = separate || device ? 'agent and apps' : 'hub, agent and apps';
  return {
    Unit: [
      ['Description', `Fettle: ${what} of ${percent(layout.home)}`],
      !user && ['After', 'network.target'],
      !user && ['RequiresMountsFor', quote(layout.home)],
      ['StartLimitIntervalSec', '0'],
    ],
    Service: [
      ['Type', 'exec'],
      ['ExecStart', `/bin/sh ${quoteCommand(layout.keeper.start)}`],
      ...common(plan, name),
      ['StandardOutput', `append:${percent(layout.keeper.log)}`],
      ['StandardError', `append:${percent(layout.keeper.log)}`],
      ['KillMode', 'process'],
      ['OOMPolicy', 'continue'],
      ['TimeoutStopSec', '12min'],
      ['TasksMax', 'infinity'],
      ['UMask', '0022'],
      ...keeperHardening(plan),
    ],
    Install: [['WantedBy', user ? 'default.target' : 'multi-user.target']],
  };
}

/** The hub runs nobody's program: it may be shut in. */
function hubUnit(plan: UnitPlan, name: string): Sections {
  const { layout, user, apart } = plan;
  // `HOME` and the like of the units are those of whoever installed it.
  const variables = apart
    ? [
        '/usr/bin/env',
        `HOME=${layout.hub.dir}`,
        `USER=${apart.user}`,
        `LOGNAME=${apart.user}`,
        `XDG_RUNTIME_DIR=${apart.runtime}`,
      ]
    : [];
  return {
    Unit: [
      ['Description', `Fettle: hub of ${percent(layout.home)}`],
      !user && ['After', 'network.target'],
      !user && ['RequiresMountsFor', quote(layout.home)],
      ['StartLimitIntervalSec', '0'],
    ],
    Service: [
      ['Type', 'exec'],
      apart && ['ExecStartPre', `+/bin/sh ${quoteCommand(layout.keeper.asHub)}`],
      ['ExecStart', [...variables, ...plan.hubArguments].map(quoteCommand).join(' ')],
      ...common(plan, name, apart),
      ['StandardOutput', `append:${percent(layout.appLog('hub'))}`],
      ['StandardError', `append:${percent(layout.appLog('hub'))}`],
      ['OOMPolicy', 'continue'],
      ['TimeoutStopSec', '30'],
      ['UMask', '0077'],
      ...(user ? [['NoNewPrivileges', 'yes'] as const] : hubHardening(plan)),
    ],
    Install: [['WantedBy', user ? 'default.target' : 'multi-user.target']],
  };
}

function common(plan: UnitPlan, name: string, apart?: HubPlace): Line[] {
  const { layout, user, owner } = plan;
  return [
    ['WorkingDirectory', percent(layout.home)],
    ['EnvironmentFile', percent(environmentFile(layout))],
    ['Environment', `FETTLE_UNIT=${name}`],
    !user && (apart || !owner.root) && ['User', apart?.user ?? owner.name],
    !user && ['RuntimeDirectory', apart ? basename(apart.runtime) : plan.name],
    !user && ['RuntimeDirectoryMode', '0700'],
    !user && ['RuntimeDirectoryPreserve', 'yes'],
    ['Restart', 'always'],
    ['RestartSec', '1'],
    ['LimitNOFILE', '16384:524288'],
  ];
}

/** Kept apps are inside: each line here must hold for any program that somebody may want to keep. */
function keeperHardening({ user, owner, apps, layout }: UnitPlan): Line[] {
  const configs = Object.values(apps);
  const binaries = configs.flatMap(({ binary }) => (binary === undefined ? [] : [binary]));
  // File capabilities and set-user-id of a binary that is kept would have no effect.
  const privileges = binaries.length > 0;
  const noNew: Line = !privileges && ['NoNewPrivileges', 'yes'];
  if (user) return [noNew];
  const writable = [...new Set([layout.home, ...binaries.map((path) => dirname(path))])].filter(isProtected);
  return [
    noNew,
    // Nothing that Fettle or an app needs; a kept app that is root is kept from the kernel all the same.
    owner.root
      ? ['CapabilityBoundingSet', '~CAP_SYS_MODULE CAP_SYS_BOOT CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_AUDIT_CONTROL']
      : !privileges && ['CapabilityBoundingSet', ''],
    ['ProtectSystem', 'full'],
    writable.length > 0 && ['ReadWritePaths', writable.map((path) => quote(`-${path}`)).join(' ')],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelLogs', 'yes'],
    ['ProtectKernelTunables', 'yes'],
    ['ProtectControlGroups', 'yes'],
    ['ProtectHostname', 'yes'],
    ['LockPersonality', 'yes'],
    binaries.length === 0 && ['RestrictSUIDSGID', 'yes'],
  ];
}

function hubHardening({ layout, apart }: UnitPlan): Line[] {
  const writable = apart ? [layout.hub.dir] : [layout.hub.dir, layout.releases, layout.logs];
  return [
    ['NoNewPrivileges', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['ProtectSystem', 'strict'],
    ['ReadWritePaths', writable.map((path) => quote(`-${path}`)).join(' ')],
    ['PrivateTmp', 'yes'],
    ['PrivateDevices', 'yes'],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelLogs', 'yes'],
    ['ProtectKernelTunables', 'yes'],
    ['ProtectControlGroups', 'yes'],
    ['ProtectHostname', 'yes'],
    ['ProtectClock', 'yes'],
    ['ProtectProc', 'invisible'],
    ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK'],
    ['RestrictNamespaces', 'yes'],
    ['RestrictRealtime', 'yes'],
    ['RestrictSUIDSGID', 'yes'],
    ['LockPersonality', 'yes'],
    ['SystemCallArchitectures', 'native'],
    ['SystemCallFilter', '@system-service'],
    ['SystemCallErrorNumber', 'EPERM'],
  ];
}

/** What `ProtectSystem=full` makes read-only. */
function isProtected(path: string): boolean {
  return ['/usr', '/boot', '/efi', '/etc', '/bin', '/sbin', '/lib', '/lib64'].some(
    (top) => path === top || path.startsWith(`${top}/`),
  );
}

function render(sections: Sections): string {
  const blocks = Object.entries(sections).map(([title, lines]) => {
    const kept = lines.filter((line): line is readonly [string, string] => line !== undefined && line !== false);
    return [`[${title}]`, ...kept.map(([key, value]) => `${key}=${value}`)].join('\n');
  });
  return `# Written by \`fettle install-service\`, which writes it anew; your own settings go into a drop-in (systemctl edit).\n${blocks.join('\n\n')}\n`;
}

/** systemd fills in what follows a percent sign (systemd.unit(5), "Specifiers"). */
function percent(text: string): string {
  return text.replaceAll('%', '%%');
}

function quote(text: string): string {
  const escaped = percent(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** In a command a dollar sign stands for a variable, too (systemd.service(5)). */
function quoteCommand(text: string): string {
  return quote(text).replaceAll('$', '$$$$');
}

/** One variable as `EnvironmentFile=` reads it (systemd.exec(5)). */
export function environmentLine(name: string, value: string): string {
  return `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '\\$').replaceAll('`', '\\`')}"`;
}
