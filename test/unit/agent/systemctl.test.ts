import { expect, test } from 'vitest';
import { isUp, readUnit } from '../../../agent/restart/systemctl.ts';
import { checkFault, namesPlace, placeOf, unitFault } from '../../../agent/restart/unit-check.ts';
import { AppSchema } from '../../../config/agent-schema.ts';
import { layoutWith } from '../../../config/home.ts';

const RUNS = `Id=web.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
MainPID=0
ExecMainCode=2
ExecMainStatus=9
ExecStart={ path=/usr/bin/node ; argv[]=/usr/bin/node /srv/h/apps/web/current/server.js --data=/var/x ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
WorkingDirectory=!/srv
Environment=A=b "C=/opt/robot/robot d"
ControlGroup=/system.slice/web.service
ConditionResult=yes
`;
const web = { unit: 'web.service', user: false };
const folder = layoutWith('/srv/h', '/run/fettle').app('web');

test('what systemctl prints: values with equals signs, ends by signal', () => {
  const state = readUnit(RUNS);
  expect(state).toMatchObject({ id: 'web.service', sub: 'auto-restart', mainPid: 0, exit: 137, condition: true });
  expect(state.properties.Environment).toBe('A=b "C=/opt/robot/robot d"');
  expect(isUp(state)).toBe(true);
  expect(readUnit(RUNS.replace('ExecMainCode=2', 'ExecMainCode=1')).exit).toBe(9);
  expect(readUnit(RUNS.replace('ExecMainCode=2', 'ExecMainCode=0')).exit).toBeNull();
});

test.each([
  ['its command', RUNS, {}, true],
  ['another command', RUNS.replace('web/current', 'other/current'), {}, false],
  ['a name that only begins like it', RUNS.replace('web/current/', 'web/current-old/'), {}, false],
  ['its folder', RUNS.replace('WorkingDirectory=!/srv', 'WorkingDirectory=/srv/h/apps/web/current/sub'), {}, true],
  ['the binary, in its environment', RUNS, { binary: '/opt/robot/robot' }, true],
  ['another binary', RUNS, { binary: '/opt/robot/robot2' }, false],
] as const)('does a unit run what is installed: %s', (_, text, more, expected) => {
  const config = AppSchema.parse({ restart: 'systemd web', ...more });
  expect(namesPlace(readUnit(text), placeOf(config, folder))).toBe(expected);
});

test.each([
  ['LoadState=loaded', undefined],
  ['LoadState=not-found', 'there is no unit web.service; after writing it: `systemctl daemon-reload`'],
  ['LoadState=masked', 'web.service is masked: `systemctl unmask web.service`'],
  [
    'LoadState=bad-setting\nLoadError=org.x "Unit has a bad setting."',
    'web.service can\'t be loaded ("Unit has a bad setting.")',
  ],
])('why a unit can not be used: %s', (load, fault) => {
  expect(unitFault(web, readUnit(RUNS.replace('LoadState=loaded', load)))).toBe(fault);
});

test('only services', () => {
  expect(unitFault({ unit: 'web.socket', user: false }, readUnit(RUNS))).toBe('web.socket is no service');
});

test.each([
  ['Type=simple', { notify: true }, 'notify'],
  ['Type=notify', { notify: true }, undefined],
  ['Type=notify-reload', { notify: true }, undefined],
  ['StandardOutput=journal', { log: 'x' }, undefined],
  ['StandardOutput=append:/x\nStandardError=inherit', { log: 'x' }, 'log'],
  ['StandardOutput=null\nStandardError=journal', { log: 'x' }, undefined],
  ['StandardOutput=null\nStandardError=inherit', {}, undefined],
] as const)('what systemd can hear of a unit: %s, %o', (text, health, check) => {
  expect(checkFault(web, readUnit(text), health)?.check).toBe(check);
});
