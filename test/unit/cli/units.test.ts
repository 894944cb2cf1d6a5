import { expect, test } from 'vitest';
import { AppsSchema } from '../../../config/agent-schema.ts';
import { layoutWith } from '../../../config/home.ts';
import { environmentLine, type UnitPlan, unitsFor } from '../../../src/cli/service/units.ts';

const plan = (more: Partial<UnitPlan> = {}, apps: object = {}): UnitPlan => ({
  name: 'fettle',
  user: false,
  separate: false,
  layout: layoutWith('/srv/fettle', '/run/fettle'),
  owner: { name: 'root', root: true },
  apps: AppsSchema.parse(apps),
  hubArguments: ['/srv/node', 'hub'],
  ...more,
});
const text = (of: UnitPlan, index = 0) => unitsFor(of)[index]?.text ?? '';

test('what must be there for apps to outlive the keeper', () => {
  for (const of of [plan(), plan({ user: true }), plan({ separate: true })]) {
    for (const line of ['KillMode=process', 'OOMPolicy=continue', 'Restart=always', 'StartLimitIntervalSec=0'])
      expect(text(of)).toContain(`\n${line}\n`);
    expect(text(of)).not.toContain('PrivateTmp');
  }
});

test('the unit of a device names no hub', () => {
  expect(text(plan())).toContain('Description=Fettle: hub, agent and apps of /srv/fettle');
  expect(text(plan({ device: true }))).toContain('Description=Fettle: agent and apps of /srv/fettle');
});

test('hardening leaves what the configuration needs', () => {
  expect(text(plan())).toMatch(/NoNewPrivileges=yes[\s\S]*RestrictSUIDSGID=yes/);
  expect(text(plan())).not.toContain('ReadWritePaths');
  const binary = text(plan({}, { robot: { binary: '/usr/local/bin/robot' }, other: { binary: '/opt/x/other' } }));
  expect(binary).toContain('\nReadWritePaths=-/usr/local/bin\n');
  expect(binary).not.toMatch(/NoNewPrivileges|RestrictSUIDSGID/);
  expect(text(plan({}, { web: { run: 'x', user: 'www' } }))).toContain('NoNewPrivileges');
  const alice = text(plan({ owner: { name: 'alice', root: false } }));
  expect(alice).toContain('\nUser=alice\n');
  expect(alice).toContain('\nCapabilityBoundingSet=\n');
  expect(text(plan({ user: true }))).not.toMatch(/ProtectSystem|RuntimeDirectory|User=/);
  expect(text(plan({ separate: true }), 1)).toMatch(/ProtectSystem=strict[\s\S]*SystemCallFilter/);
});

test('a hub in a unit of its own has its own user, and writes nothing but its own', () => {
  const apart = { user: 'fettle-hub', runtime: '/run/fettle-hub' };
  const [agent = '', hub = ''] = [0, 1].map((index) => text(plan({ separate: true, apart }), index));
  expect(hub).toContain('\nUser=fettle-hub\nRuntimeDirectory=fettle-hub\n');
  expect(hub).toContain('\nExecStartPre=+/bin/sh /srv/fettle/keeper/as-hub\n');
  expect(hub).toContain('\nReadWritePaths=-/srv/fettle/hub\n');
  expect(hub).toMatch(
    /\nExecStart=\/usr\/bin\/env HOME=\/srv\/fettle\/hub .*XDG_RUNTIME_DIR=\/run\/fettle-hub \/srv\/node hub\n/,
  );
  expect(agent).not.toMatch(/User=|as-hub/);
  expect(agent).toContain('\nRuntimeDirectory=fettle\n');
});

test('a home whose name means something to systemd', () => {
  const odd = text(plan({ layout: layoutWith('/srv/my "home" 100% $HOME', '/run/fettle') }));
  expect(odd).toContain('ExecStart=/bin/sh "/srv/my \\"home\\" 100%% $$HOME/keeper/start"\n');
  expect(odd).toContain('WorkingDirectory=/srv/my "home" 100%% $HOME\n');
  expect(environmentLine('A', 'say "x" $y \\z')).toBe('A="say \\"x\\" \\$y \\\\z"');
});
