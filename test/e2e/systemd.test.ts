import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packFettle } from '../support/fettle-release.ts';
import { bootMachine, type Machine, whyNoMachine } from '../support/machine.ts';
import { type MachineHome, machineHome } from '../support/machine-home.ts';
import { RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/** Fettle on a machine with a real systemd: one machine, one home, one story; each test begins where the last ended. */

const why = whyNoMachine();
if (why && process.env.FETTLE_REQUIRE_SYSTEMD) throw new Error(`tests with a real systemd can't run: ${why}`);
if (why) console.log(`tests with a real systemd are not run: ${why}`);

const ROOT = join(import.meta.dirname, '../..');
const HOME = '/var/lib/fettle';
const NEXT = '0.9.1';

/** Behaviours by version: what a unit that is always restarted may meet. */
const SERVER = (version: string, trouble = '') => `import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
console.log('web ${version} starts');
${trouble}
createServer((request, response) => {
  if (request.method === 'POST') writeFileSync('data/store', request.url);
  const data = existsSync('data/store') ? readFileSync('data/store', 'utf8') : '';
  response.end(JSON.stringify({ version: '${version}', data }));
}).listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  if (process.env.NOTIFY_SOCKET) execFileSync('systemd-notify', ['--ready']);
});
process.on('SIGTERM', () => setTimeout(() => process.exit(0), Number(process.env.SLOW ?? 0)));
`;
const SPOILS = `writeFileSync('data/store', 'spoilt by the new version'); console.error('cannot go on'); process.exit(3);`;

const UNIT = `[Unit]
Description=A web service of one's own
StartLimitIntervalSec=300
StartLimitBurst=1
ConditionPathExists=!${HOME}/apps/web/held
[Service]
ExecStart=${process.execPath} server.mjs
WorkingDirectory=${HOME}/apps/web/current
Environment=SLOW=300
Restart=always
RestartSec=0
[Install]
WantedBy=multi-user.target
`;

const CONFIG = `fettle: {source: folder releases/fettle, ${RELEASE_KEYS}, for: 1s, deadlines: {probing: 20s}}
apps:
  web:
    source: folder releases/web
    install: 1.0.0
    restart: systemd web
    keep: [data]
    healthy: {http: "http://127.0.0.1:8080/", version: .version, log: starts, every: 100ms, checks: 2, for: 500ms}
    stop: {grace: 5s}
  kept:
    source: folder releases/kept
    install: 1.0.0
    run: node server.mjs
    env: {PORT: 8081}
    keep: [data]
    healthy: {http: "http://127.0.0.1:8081/", version: .version, every: 100ms, checks: 2, for: 500ms}
${['nothere', 'masked', 'elsewhere', 'fettle']
  .map(
    (unit) => `  on-${unit}:
    source: folder releases/on-${unit}
    restart: systemd ${unit}
    keep: [data]`,
  )
  .join('\n')}
`;

describe.skipIf(why)('with a real systemd:', { timeout: 120_000 }, () => {
  let machine: Machine;
  let home: MachineHome;
  let packs: string;

  beforeAll(async () => {
    packs = mkdtempSync(join(tmpdir(), 'fettle-packs-'));
    const packed = packFettle(packs, { version: NEXT });
    machine = await bootMachine();
    home = machineHome(machine, HOME);
    machine.write(`${HOME}/fettle.yaml`, CONFIG, 0o600);
    machine.write('/etc/systemd/system/web.service', UNIT);
    machine.write(
      '/etc/systemd/system/elsewhere.service',
      '[Service]\nExecStart=/usr/bin/sleep 1000\nWorkingDirectory=/srv\n',
    );
    for (const [version, trouble] of [
      ['1.0.0', ''],
      ['1.1.0', ''],
      ['1.2.0', SPOILS],
      ['1.3.0', ''],
      ['1.4.0', ''],
    ] as const) {
      await home.publish('web', version, [
        { name: 'server.mjs', content: SERVER(version, trouble) },
        { name: 'data/store', content: 'first' },
      ]);
    }
    for (const name of ['kept', 'on-nothere', 'on-masked', 'on-elsewhere', 'on-fettle'])
      await home.publish(name, '1.0.0', [{ name: 'server.mjs', content: SERVER('1.0.0') }]);
    await machine.sh('systemctl daemon-reload; systemctl mask masked.service; systemctl enable web.service');
    await home.publish('fettle', NEXT, await packed);
  }, 120_000);
  afterAll(async () => {
    await machine?.close();
    rmSync(packs, { recursive: true, force: true });
  }, 30_000);

  /** Asks from inside: the machine's network is its own. */
  const ask = async (port = 8080): Promise<{ version?: string; data?: string }> => {
    const { out } = await machine.run([
      process.execPath,
      '-e',
      `fetch('http://127.0.0.1:${port}').then((r) => r.text()).then(console.log, () => console.log('{}'))`,
    ]);
    return JSON.parse(out || '{}');
  };
  const show = (unit: string, property: string) => machine.sh(`systemctl show -P ${property} ${unit}`);
  const keptPid = () =>
    machine.sh(
      "for pid in $(pgrep -f 'server.mjs'); do grep -qz '^PORT=8081$' /proc/$pid/environ && echo $pid; done | tail -1",
    );
  const version = (wanted: string, port = 8080) =>
    until(`${wanted} on ${port}`, async () => (await ask(port)).version === wanted, 40_000);

  test('install-service says what it would do, and does it: apps of `up --detach` run on', async () => {
    const dry = await home.fettle(['install-service', '--dry-run']);
    expect(dry.out).toContain('KillMode=process');
    expect(await machine.sh('ls /etc/systemd/system')).not.toContain('fettle.service');

    expect(await home.fettle(['up', '--detach'])).toMatchObject({ code: 0 });
    await version('1.0.0', 8081);
    await version('1.0.0');
    const before = { kept: await keptPid(), web: await show('web', 'MainPID') };
    expect(await show('web', 'ControlGroup')).toBe('/system.slice/web.service');

    const done = await home.fettle(['install-service']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('Taking over');
    expect(await machine.sh('systemctl is-enabled fettle; systemctl is-active fettle')).toBe('enabled\nactive');
    expect({ kept: await keptPid(), web: await show('web', 'MainPID') }).toEqual(before);
    expect((await home.say('/update status kept')).out).toContain('kept 1.0.0: healthy');

    const again = await home.fettle(['install-service']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.out).not.toContain('Wrote');
    expect({ kept: await keptPid(), web: await show('web', 'MainPID') }).toEqual(before);
  });

  test('an update of a unit: switched, proven, data kept', async () => {
    await machine.sh(
      `curl -sf -X POST http://127.0.0.1:8080/mine || ${process.execPath} -e "fetch('http://127.0.0.1:8080/mine',{method:'POST'})"`,
    );
    const before = await show('web', 'InvocationID');
    const said = await home.say('/update now web@1.1.0');
    expect(said.out).toMatch(/web is back online, 1\.1\.0, outage \d+\.\d s/);
    console.log(said.out.split('\n').find((line) => line.includes('outage')));
    expect(await ask()).toEqual({ version: '1.1.0', data: '/mine' });
    expect(await show('web', 'InvocationID')).not.toBe(before);
    expect((await machine.run(['ls', `${HOME}/apps/web/held`])).code).not.toBe(0);
    expect((await home.say('/update logs web')).out).toContain('web 1.1.0 starts');
  });

  test('a release that crashes, restarted by systemd up to its start limit: the good one starts all the same', async () => {
    const said = await home.say('/update now web@1.2.0');
    expect(said.out).toContain('web 1.2.0 failed and was rolled back');
    expect(said.out).toContain('cannot go on');
    expect(said.code).toBe(1);
    expect(await machine.sh('journalctl -u web.service --no-pager')).toContain('Start request repeated too quickly');
    expect(await show('web', 'ActiveState')).toBe('active');
    expect(await ask()).toEqual({ version: '1.1.0', data: '/mine' });
    expect(home.journal('web')).toMatchObject({ state: 'rolled-back', problem: { code: 'crashed' } });
  });

  test.each([
    ['nothere', 'there is no unit nothere.service'],
    ['masked', 'masked.service is masked: `systemctl unmask masked.service`'],
    ['elsewhere', 'WorkingDirectory=~/apps/on-elsewhere/current'],
    ['fettle', 'Fettle itself runs in fettle.service'],
  ])('a unit that can not be updated is refused, and it is said what to do: %s', async (unit, reason) => {
    const said = await home.say(`/update now on-${unit}`);
    expect(said.out).toContain(reason);
    expect(said.code).toBe(1);
    expect(home.journal(`on-${unit}`)).toMatchObject({ state: 'failed', problem: { code: 'driver_unusable' } });
  });

  test('the units: verified by systemd, their score printed', async () => {
    for (const more of [[], ['--separate']]) {
      const dry = await home.fettle(['install-service', '--dry-run', '--name', 'check', ...more]);
      for (const [, name = '', text = ''] of dry.out.matchAll(/^write \S+\/(check\S*\.service):\n\n((?: {4}.*\n)+)/gm))
        machine.write(`/etc/verify/${name}`, text.replace(/^ {4}/gm, ''));
    }
    const verified = await machine.sh('cd /etc/verify && systemd-analyze verify ./*.service 2>&1; ls');
    expect(verified.split('\n').sort()).toEqual(['check-agent.service', 'check-hub.service', 'check.service']);
    for (const unit of verified.split('\n')) {
      const score = await machine.sh(
        `systemd-analyze security --no-pager --offline=true /etc/verify/${unit} | tail -1`,
      );
      console.log(`${unit}: ${score.replace(/^\W+/, '')}`);
    }
  });

  test('the keeper killed, and the start script: apps are adopted, none is started twice', async () => {
    const before = { kept: await keptPid(), web: await show('web', 'MainPID') };
    for (const who of ["pgrep -f '[.]fettle/fettle keeper'", 'systemctl show -P MainPID fettle']) {
      const old = await machine.sh(`pid=$(${who}); kill -9 $pid; echo $pid`);
      await until('another keeper', async () => {
        const { out } = await machine.run([
          'sh',
          '-c',
          "pgrep -f '[.]fettle/fettle keeper'; systemctl is-active fettle",
        ]);
        const [pid, active] = out.trim().split('\n');
        return active === 'active' && pid !== old && (await home.fettle(['doctor'])).out.includes(`process ${pid},`);
      });
      expect({ kept: await keptPid(), web: await show('web', 'MainPID') }).toEqual(before);
    }
    expect((await home.say('/update status kept')).out).toContain('kept 1.0.0: healthy');
  });

  test('Fettle updates itself under its unit: hub, agent and keeper; apps never notice', {
    timeout: 180_000,
  }, async () => {
    const before = {
      kept: await keptPid(),
      web: await show('web', 'MainPID'),
      fettle: await show('fettle', 'MainPID'),
    };
    expect((await home.say('/update now hub')).out).toContain(`hub is back online, ${NEXT}`);
    expect((await home.say('/update now agent')).out).toContain(`agent is back online, ${NEXT}`);
    await until('the keeper to be the new one', async () =>
      (await home.fettle(['doctor'])).out.includes(`version ${NEXT})`),
    );
    expect({
      kept: await keptPid(),
      web: await show('web', 'MainPID'),
      fettle: await show('fettle', 'MainPID'),
    }).toEqual(before);
  });

  test.each([
    ['stopping', '1.3.0', /rolled-back/, '1.1.0'],
    ['probing', '1.3.0', /succeeded/, '1.3.0'],
  ] as const)(
    'the power goes in %s: after the boot the machine ends up where it should',
    async (state, to, end, runs) => {
      // Sent, and cut off: the answer comes from the journal.
      void home.say(`/update now web@${to}`, 20_000);
      await until(state, () => home.journal('web')?.state === state && home.journal('web')?.toVersion === to, 20_000);
      await machine.cutPower();
      expect(home.journal('web')?.state).toBe(state);
      await machine.boot();
      await until('the end', () => end.test(home.journal('web')?.state ?? ''), 60_000);
      await version(runs);
      expect(await ask()).toEqual({ version: runs, data: '/mine' });
      expect(await machine.sh('systemctl is-active web fettle')).toBe('active\nactive');
      await version('1.0.0', 8081);
    },
  );

  test('the agent does not come back in the middle of a switch: the keeper has the old one started', async () => {
    void home.say('/update now web@1.4.0', 20_000);
    await until('stopping', () => home.journal('web')?.state === 'stopping', 20_000);
    machine.write(`${HOME}/fettle.yaml`, 'apps: [broken', 0o600);
    await machine.sh("kill -9 $(pgrep -f '[.]fettle/fettle agent')");
    await version('1.3.0');
    expect(await show('web', 'ControlGroup')).toBe('/system.slice/web.service');
    expect(home.journal('web')?.state).toBe('stopping');
    machine.write(`${HOME}/fettle.yaml`, CONFIG, 0o600);
    await until('the end', () => home.journal('web')?.state === 'rolled-back', 60_000);
    expect(await ask()).toEqual({ version: '1.3.0', data: '/mine' });
  });

  test('doctor says what is wrong with units, and how to mend it', async () => {
    const lines = async () => (await home.fettle(['doctor'])).out;
    const before = await lines();
    expect(before).toContain('ok     fettle.service is active, and starts with the machine');
    expect(before).toContain('ok     web is web.service, and runs from where it should');
    expect(before).toContain('WRONG  on-nothere: there is no unit nothere.service');
    expect(before).toContain('WRONG  on-masked: masked.service is masked');
    expect(before).toContain(`In the unit: WorkingDirectory=${HOME}/apps/on-elsewhere/current`);
    expect(before).toContain('note   kept: run as root');
    expect(before).not.toContain('were the power cut during a switch, systemd would start web.service');
    machine.write(
      '/etc/systemd/system/fettle.service.d/own.conf',
      '[Service]\nKillMode=control-group\nOOMPolicy=stop\n',
    );
    machine.write(
      '/etc/systemd/system/web.service',
      UNIT.replace(/Condition.*\n/, '').replace('Restart=always', 'User=nobody\nRestart=always'),
    );
    await machine.sh('systemctl daemon-reload; systemctl disable -q fettle web');
    const after = await lines();
    expect(after).toContain('fettle.service has KillMode=control-group: apps end when the keeper does');
    expect(after).toContain("fettle.service has OOMPolicy=stop: one app's lack of memory stops all");
    expect(after).toContain('fettle.service does not start with the machine (disabled)');
    expect(after).toContain("its user nobody can't enter");
    machine.write('/etc/systemd/system/web.service', UNIT);
    await machine.sh(
      'rm -r /etc/systemd/system/fettle.service.d; systemctl daemon-reload; systemctl enable -q fettle web',
    );
    expect(await lines()).toContain('ok     fettle.service is active, and starts with the machine');
  });

  test('rescue of an app that is a unit: by systemd, whether it runs or not', async () => {
    const pid = await show('web', 'MainPID');
    expect(await home.fettle(['rescue', 'web'])).toMatchObject({ code: 0 });
    expect(await show('web', 'MainPID')).toBe(pid);
    await machine.sh('systemctl stop web');
    const said = await home.fettle(['rescue', 'web']);
    expect(said.out + said.err).toContain('web');
    expect(said.code).toBe(0);
    expect(await machine.sh('systemctl is-active web')).toBe('active');
    expect(await show('web', 'ControlGroup')).toBe('/system.slice/web.service');
  });

  test('--uninstall takes all of it away but the home', async () => {
    const said = await home.fettle(['install-service', '--uninstall']);
    expect(said).toMatchObject({ code: 0 });
    expect(await machine.sh(`ls /etc/systemd/system /run ${HOME}/keeper`)).not.toMatch(
      /^(fettle(?!\.yaml)|service\.json|environment)/m,
    );
    expect((await machine.run(['pgrep', '-f', 'fettle/fettle'])).out).toBe('');
    // A unit of one's own goes on.
    expect(await ask()).toMatchObject({ version: '1.3.0' });
    expect(await home.fettle(['install-service', '--uninstall'])).toMatchObject({ code: 0 });
  });

  test('hub and agent apart', async () => {
    expect(await home.fettle(['install-service', '--separate'])).toMatchObject({ code: 0 });
    expect(await machine.sh('systemctl is-active fettle-hub fettle-agent')).toBe('active\nactive');
    await until('the agent to be connected', async () =>
      (await home.say('/update status kept')).out.includes('kept 1.0.0: healthy'),
    );
    expect((await home.say('/update now kept')).out).toContain('kept is at the latest version');
    expect(await machine.sh("pgrep -c -f '[.]fettle/fettle hub'")).toBe('1');
    expect(await home.fettle(['install-service', '--uninstall'])).toMatchObject({ code: 0 });
    expect((await machine.run(['pgrep', '-f', 'fettle/fettle'])).out).toBe('');
  });

  test('a service of a user of its own, with a unit of that user', async () => {
    await machine.sh('useradd -m -u 4711 robot; loginctl enable-linger robot');
    const robot = '/home/robot/.fettle';
    const env = { HOME: '/home/robot', USER: 'robot', XDG_RUNTIME_DIR: '/run/user/4711' };
    const as = async (line: string) => {
      const argv = ['setpriv', '--reuid=4711', '--regid=4711', '--init-groups', 'sh', '-c', line];
      return machine.run(argv, { env, timeoutMs: 90_000 });
    };
    await until('its manager', async () => (await as('systemctl --user is-system-running --wait')).out !== '');
    const place = machineHome(machine, robot);
    for (const v of ['1.0.0', '1.1.0']) await place.publish('web', v, [{ name: 'server.mjs', content: SERVER(v) }]);
    machine.write(
      `${robot}/fettle.yaml`,
      CONFIG.slice(0, CONFIG.indexOf('  kept:'))
        .replace('systemd web', 'systemd user web')
        .replaceAll('8080', '8082')
        .replace('log:', 'notify: true, log:'),
    );
    machine.write(
      '/home/robot/.config/systemd/user/web.service',
      `[Service]\nType=notify\nNotifyAccess=all\nExecStart=${process.execPath} server.mjs\nWorkingDirectory=${robot}/apps/web/current\nEnvironment=PORT=8082\n`,
    );
    await machine.sh('chown -R robot: /home/robot');
    const fettle = `FETTLE_HOME=${robot} FETTLE_PORT=0 ${process.execPath} ${ROOT}/dist/main.js`;
    const done = await as(`systemctl --user daemon-reload; ${fettle} install-service --user`);
    expect(done.err).toBe('');
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).not.toContain('linger');
    await version('1.0.0', 8082);
    expect((await as(`${fettle} say '/update now web'`)).out).toContain('web is back online, 1.1.0');
    expect((await as(`systemctl --user show -P ControlGroup web`)).out).toContain('user@4711.service');
    expect((await as(`${fettle} install-service --uninstall`)).out).toContain('Left as it is');
  });
});
