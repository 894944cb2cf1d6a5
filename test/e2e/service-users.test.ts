import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layoutWith } from '../../config/home.ts';
import { packFettle } from '../support/fettle-release.ts';
import { SERVER, TRIES, type Tried } from '../support/looks-around.ts';
import { bootMachine, type Machine, whyNoMachine } from '../support/machine.ts';
import { type MachineHome, machineHome } from '../support/machine-home.ts';
import { RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/** Who runs as whom, and what that user may do: a real systemd, one home, one story; each test begins where the last ended. */

const why = whyNoMachine();
if (why && process.env.FETTLE_REQUIRE_SYSTEMD) throw new Error(`tests of users can't run: ${why}`);
if (why) console.log(`tests of users are not run: ${why}`);

const ROOT = join(import.meta.dirname, '../..');
const HOME = '/var/lib/fettle';
const { runtime } = layoutWith(HOME, '/run/fettle', { user: 'fettle-hub', runtime: '/run/fettle-hub' });
const SOCKETS = { keeper: runtime.keeperSocket, hub: runtime.hubSocket };
const NEXT = '0.9.1';
const BROKEN = '0.9.2';

/** What nobody but root may read, and what nobody but root may write. */
const SECRETS = [
  `${HOME}/agent/key`,
  `${HOME}/agent/hub.pub`,
  `${HOME}/keeper/keep.json`,
  `${HOME}/keeper/environment`,
  `${HOME}/agent.yaml.before`,
  `${HOME}/fettle.yaml~`,
  `${HOME}/apps/other/shared/data/store`,
  `${HOME}/logs/hub.log`,
];
const HUB_ALONE = [`${HOME}/hub/hub.db`, `${HOME}/hub/key`];
const HUB_READS = [`${HOME}/fettle.yaml`, `${HOME}/telegram.token`, `${HOME}/agent/key.pub`];
const PROGRAMS = [
  `${HOME}/keeper/start`,
  `${HOME}/keeper/as-hub`,
  `${HOME}/apps/hub/current/.fettle/fettle`,
  `${HOME}/apps/agent/current/.fettle/fettle`,
  `${HOME}/apps/web/current/server.mjs`,
  `${HOME}/fettle.yaml`,
  `${HOME}/apps/web/releases/x`,
  `${HOME}/agent/local/x.json`,
  `${HOME}/x`,
];
const WEB_OWN = `${HOME}/apps/web/shared/data/store`;
const EVERYTHING = [...SECRETS, ...HUB_ALONE, ...HUB_READS, WEB_OWN];

const app = (name: string, port: number, more = '') => `  ${name}:
    source: folder releases/${name}
    install: 1.0.0
    run: node server.mjs
    env: {PORT: ${port}, TRIES: '${JSON.stringify({ reads: EVERYTHING, writes: PROGRAMS, sockets: Object.values(SOCKETS) })}'}
    keep: [data]${more}
    healthy: {http: "http://127.0.0.1:${port}/", version: .version, every: 100ms, checks: 2, for: 500ms}
`;
const CONFIG = (
  webUser = '',
) => `fettle: {source: folder releases/fettle, ${RELEASE_KEYS}, for: 1s, deadlines: {probing: 20s}}
apps:
${app('web', 8080, webUser)}${app('other', 8081)}`;

describe.skipIf(why)('users of their own:', { timeout: 120_000 }, () => {
  let machine: Machine;
  let home: MachineHome;
  let packs: string;

  beforeAll(async () => {
    packs = mkdtempSync(join(tmpdir(), 'fettle-packs-'));
    // A hub that somebody has taken over: it looks around before it does its work.
    const spies = `${TRIES.replaceAll('export ', '')}
if (role === 'hub') {
  const { appendFileSync } = await import('node:fs');
  globalThis.TRIES = ${JSON.stringify(JSON.stringify({ reads: EVERYTHING, writes: PROGRAMS, sockets: [SOCKETS.keeper, SOCKETS.hub] }))};
  appendFileSync('${HOME}/hub/spy', JSON.stringify({ rehearsing, ...(await tries()) }) + '\\n');
}`;
    const next = packFettle(packs, { version: NEXT, fault: spies });
    const broken = packFettle(packs, { version: BROKEN, fault: "if (role === 'hub' && !rehearsing) process.exit(3);" });
    machine = await bootMachine();
    home = machineHome(machine, HOME);
    machine.write(`${HOME}/fettle.yaml`, CONFIG(), 0o600);
    // As an editor leaves them.
    for (const name of ['agent.yaml.before', 'fettle.yaml~']) machine.write(`${HOME}/${name}`, 'apps: {}\n', 0o644);
    machine.write(`${HOME}/telegram.token`, '1:secret\n', 0o600);
    for (const [name, version] of [
      ['web', '1.0.0'],
      ['web', '1.1.0'],
      ['other', '1.0.0'],
    ] as const)
      await home.publish(name, version, [
        { name: 'server.mjs', content: SERVER(version) },
        { name: 'tries.mjs', content: TRIES },
        { name: 'data/store', content: 'first' },
      ]);
    await home.publish('fettle', NEXT, await next);
    await home.publish('fettle', BROKEN, await broken);
  }, 120_000);
  afterAll(async () => {
    await machine?.close();
    rmSync(packs, { recursive: true, force: true });
  }, 30_000);

  const ask = async (path = '/', port = 8080, method = 'GET') => {
    const script = `fetch('http://127.0.0.1:${port}${path}', {method: '${method}'}).then((r) => r.text()).then(console.log, () => console.log('{}'))`;
    return JSON.parse((await machine.run([process.execPath, '-e', script])).out || '{}');
  };
  const pidOf = (role: string) => machine.sh(`pgrep -n -f '[.]fettle/fettle ${role} --home'`);
  const userOf = async (role: string) => machine.sh(`ps -o user:20= -p ${await pidOf(role)}`);
  const appUser = async (port: number) => machine.sh(`id -nu ${(await ask('/', port)).uid}`);
  const owner = (path: string) => machine.sh(`stat -c '%U:%G %a' ${path}`);
  const serves = (version: string, port = 8080) =>
    until(`${version} on ${port}`, async () => (await ask('/', port)).version === version, 40_000);
  const spied = async (): Promise<Array<Tried & { rehearsing: boolean }>> =>
    (await machine.sh(`cat ${HOME}/hub/spy`)).split('\n').map((line) => JSON.parse(line));

  test('as it was: one user for everything', async () => {
    const done = await home.fettle(['install-service', '--one-user']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('The hub runs as root, as the agent does: as you asked (--one-user).');
    await serves('1.0.0');
    await serves('1.0.0', 8081);
    expect([await userOf('keeper'), await userOf('agent'), await userOf('hub')]).toEqual(['root', 'root', 'root']);
    expect(await owner(`${HOME}/hub`)).toBe('root:root 700');
    await ask('/mine', 8080, 'POST');
    expect((await home.fettle(['doctor'])).out).toContain('note   Hub and agent share the user root');
  });

  test('install-service again: the hub gets a user, apps never notice, and what it knew is still there', async () => {
    const dry = await home.fettle(['install-service', '--dry-run']);
    expect(dry.out).toContain('keeper and agent run as root, the hub as fettle-hub');
    expect(await userOf('hub')).toBe('root');
    const before = await machine.sh("pgrep -f '[s]erver.mjs' | sort");
    const id = machine.read(`${HOME}/hub/id`);
    const done = await home.fettle(['install-service']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('Made the user fettle-hub');
    expect(done.out).toContain('Starting the hub again, as fettle-hub; apps run on.');
    expect(done.out).toContain('Note: web, other: run as root, as before');
    expect([await userOf('keeper'), await userOf('agent'), await userOf('hub')]).toEqual([
      'root',
      'root',
      'fettle-hub',
    ]);
    expect(await machine.sh("pgrep -f '[s]erver.mjs' | sort")).toBe(before);
    expect(await owner(`${HOME}/hub/hub.db`)).toMatch(/^fettle-hub:fettle-hub /);
    expect(await machine.sh(`find ${HOME}/hub ! -user fettle-hub`)).toBe('');
    expect(machine.read(`${HOME}/hub/id`)).toBe(id);
    expect((await home.say('/update status web')).out).toContain('web 1.0.0: healthy');

    const doctor = async () => (await home.fettle(['doctor'])).out;
    expect(await doctor()).toContain('ok     The hub runs as fettle-hub');
    expect(await doctor()).toContain('ok     Keys and secrets can be read by root and fettle-hub alone');
    await machine.sh(
      `chown root ${HOME}/hub/key; chmod 644 ${HOME}/fettle.yaml; chmod 777 ${dirname(SOCKETS.hub)} ${SOCKETS.hub}`,
    );
    const wrong = await doctor();
    expect(wrong).toContain(`WRONG  ${HOME}/hub/key is not fettle-hub's`);
    expect(wrong).toContain(`WRONG  Others can open ${SOCKETS.hub}`);
    await machine.sh(
      `chown fettle-hub ${HOME}/hub/key; chmod 640 ${HOME}/fettle.yaml; chmod 700 ${dirname(SOCKETS.hub)}; chmod 600 ${SOCKETS.hub}`,
    );
    expect(await doctor()).not.toMatch(/WRONG .*(hub\/key|hub\.sock)/);

    const nobody = await machine.run([
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      `${ROOT}/dist/main.js`,
      '--home',
      HOME,
      'say',
      'hi',
    ]);
    expect(nobody).toMatchObject({ code: 1 });
    expect(nobody.out).toContain('is reached with sudo');
    const hub = await pidOf('hub');
    const again = await home.fettle(['install-service']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.out).not.toMatch(/Wrote|Made|Starting/);
    expect(await pidOf('hub')).toBe(hub);
  });

  test('an app gets a user by one line of the file; its data is kept, and its own', async () => {
    machine.write(`${HOME}/fettle.yaml`, CONFIG('\n    user: fettle-web'), 0o600);
    const done = await home.fettle(['install-service']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('Made the user fettle-web, as whom web runs.');
    expect(done.out).toContain('Note: other: run');
    // Nothing changes by itself.
    expect(await appUser(8080)).toBe('root');
    await machine.sh("kill -9 $(pgrep -n -f '[.]fettle/fettle agent --home')");
    await until(
      'the agent to be back',
      async () => (await home.say('/update status web')).out.includes('healthy'),
      40_000,
    );
    const said = await home.say('/update now web');
    expect(said.out).toContain('web is back online, 1.1.0');
    expect(await ask()).toMatchObject({ version: '1.1.0', data: '/mine' });
    expect([await appUser(8080), await appUser(8081)]).toEqual(['fettle-web', 'root']);
    expect(await owner(WEB_OWN)).toMatch(/^fettle-web:fettle-web /);
    expect((await home.say('/update rollback web')).out).toContain('web is back online at its earlier version, 1.0.0');
    expect(await ask()).toMatchObject({ version: '1.0.0', data: '/mine' });
    expect(await appUser(8080)).toBe('fettle-web');
  });

  test('the hub is updated under its user: rehearsed, backed up, switched', { timeout: 180_000 }, async () => {
    expect((await home.say(`/update now hub@${NEXT}`)).out).toContain(`hub is back online, ${NEXT}`);
    const [rehearsal, start] = await spied();
    expect(rehearsal).toMatchObject({ rehearsing: true });
    expect(start).toMatchObject({ rehearsing: false });
    const [uid, gid] = (await machine.sh('id -u fettle-hub; id -g fettle-hub')).split('\n').map(Number);
    for (const of of [rehearsal, start]) expect(of).toMatchObject({ uid, gid, groups: [gid] });
    expect(await userOf('hub')).toBe('fettle-hub');
    expect(await machine.sh(`ls ${HOME}/hub`)).not.toContain('rehearsal');
    expect(await machine.sh(`ls ${HOME}/apps/hub/backups | head -1`)).not.toBe('');
    expect(await owner(`${HOME}/apps/hub/backups`)).toMatch(/^root:root 7[0-5]0/);
    // The keeper goes back from a hub that nobody has said to be well.
    const kept = JSON.parse(machine.read(`${HOME}/keeper/keep.json`)).apps.hub;
    expect(kept).toMatchObject({ starts: 0 });
  });

  test('what a hub that somebody has taken over may do, and an app', async () => {
    const hub = (await spied()).at(-1);
    const web = (await ask('/tries')) as Tried;
    if (!hub) throw new Error('the hub was not asked');
    const rows = [
      ['process', 'user', 'reads', 'writes (programs, orders, file)', 'keeper.sock', 'hub.sock'],
      ...(
        [
          ['hub', 'fettle-hub', hub],
          ['web', 'fettle-web', web],
        ] as const
      ).map(([name, user, { reads, writes, sockets }]) => [
        ...[name, user],
        Object.keys(reads)
          .filter((path) => reads[path] === 'yes')
          .map((path) => path.slice(HOME.length + 1))
          .join(' '),
        Object.keys(writes)
          .filter((path) => writes[path] === 'yes')
          .join(' ') || 'nothing',
        ...[sockets[SOCKETS.keeper], sockets[SOCKETS.hub]],
      ]),
    ];
    console.log(rows.map((row) => row.join(' | ')).join('\n'));
    for (const path of SECRETS) {
      expect([path, hub.reads[path]]).toEqual([path, 'EACCES']);
      expect([path, web.reads[path]]).toEqual([path, 'EACCES']);
    }
    for (const path of HUB_ALONE) expect([path, hub.reads[path], web.reads[path]]).toEqual([path, 'yes', 'EACCES']);
    for (const path of HUB_READS) expect([path, hub.reads[path], web.reads[path]]).toEqual([path, 'yes', 'EACCES']);
    expect([hub.reads[WEB_OWN], web.reads[WEB_OWN]]).toEqual(['EACCES', 'yes']);
    for (const path of PROGRAMS) expect([path, hub.writes[path], web.writes[path]]).toEqual([path, 'EACCES', 'EACCES']);
    expect([hub.sockets[SOCKETS.keeper], web.sockets[SOCKETS.keeper]]).toEqual(['EACCES', 'EACCES']);
    expect(web.sockets[SOCKETS.hub]).toBe('EACCES');
  });

  test('a hub that does not start is rolled back, and a hub with another key is not believed', {
    timeout: 180_000,
  }, async () => {
    const said = await home.say(`/update now hub@${BROKEN}`, 90_000);
    expect(said.out).toContain(`hub ${BROKEN} failed and was rolled back`);
    expect(await userOf('hub')).toBe('fettle-hub');
    expect((await home.say('/update status web')).out).toContain('web 1.0.0: healthy');

    const pinned = machine.read(`${HOME}/agent/hub.pub`);
    await machine.sh(
      `cp -a ${HOME}/hub/key ${HOME}/hub/key.pub /root; rm ${HOME}/hub/key ${HOME}/hub/key.pub; kill -9 $(pgrep -n -f '[.]fettle/fettle hub --home')`,
    );
    await until(
      'the hub to have made itself another key',
      async () => (await machine.run(['test', '-e', `${HOME}/hub/key.pub`])).code === 0,
      30_000,
    );
    await until(
      'the agent to have refused it',
      async () =>
        (await machine.sh(`tail -20 ${HOME}/logs/agent.log`)).includes('the hub could not prove that it is the one'),
      60_000,
    );
    expect(machine.read(`${HOME}/agent/hub.pub`)).toBe(pinned);
    expect(machine.read(`${HOME}/hub/key.pub`)).not.toBe(pinned);
    await machine.sh(
      `cp -a /root/key /root/key.pub ${HOME}/hub/; kill -9 $(pgrep -n -f '[.]fettle/fettle hub --home')`,
    );
    await until(
      'the agent to be connected',
      async () => (await home.say('/update status web')).out.includes('healthy'),
      90_000,
    );
  });

  test("what was written anew is the hub's to read at its next start, and a boot makes what is gone", async () => {
    machine.write(`${HOME}/fettle.yaml.new`, CONFIG('\n    user: fettle-web'), 0o600);
    await machine.sh(`mv ${HOME}/fettle.yaml.new ${HOME}/fettle.yaml`);
    expect(await owner(`${HOME}/fettle.yaml`)).toBe('root:root 600');
    // As a migration that was cut off: what is not the hub's yet is, once the hub is started.
    await machine.sh(`chown root: ${HOME}/hub ${HOME}/hub/hub.db ${HOME}/hub/id`);
    await machine.cutPower();
    await machine.boot();
    await serves('1.0.0');
    await until('the hub', async () => (await home.say('/update status web')).out.includes('healthy'), 60_000);
    await until('the keeper to hear that the hub serves', () => {
      const { apps } = JSON.parse(machine.read(`${HOME}/keeper/keep.json`));
      return apps.hub.starts === 0;
    });
    expect(await owner(`${HOME}/fettle.yaml`)).toBe('root:fettle-hub 640');
    expect(await machine.sh(`find ${HOME}/hub ! -user fettle-hub`)).toBe('');
    expect(await owner('/run/fettle-hub')).toBe('fettle-hub:fettle-hub 700');
    expect(await owner(SOCKETS.hub)).toBe('fettle-hub:fettle-hub 600');
    expect(await owner(SOCKETS.keeper)).toBe('root:root 600');
    expect([await userOf('hub'), await appUser(8080)]).toEqual(['fettle-hub', 'fettle-web']);
  });

  test('an app that `fettle init` takes over, and that nobody runs, gets a user', async () => {
    const folder = '/srv/fresh';
    for (const [name, text] of [
      ['package.json', '{"name": "fresh", "version": "1.0.0"}'],
      ['server.mjs', SERVER('1.0.0')],
      ['tries.mjs', TRIES],
      ['data/store', 'mine'],
    ] as const)
      machine.write(`${folder}/${name}`, text);
    const flags = [
      '--name',
      'fresh',
      '--run',
      'node server.mjs',
      '--keep',
      'data',
      '--health',
      'http://127.0.0.1:8082/',
    ];
    const asked = await home.fettle(['init', folder, ...flags]);
    expect(asked.out).toContain('make the user fettle-fresh for it');
    expect((await machine.run(['id', 'fettle-fresh'])).code).not.toBe(0);
    const done = await home.fettle(['init', folder, ...flags, '--yes']);
    expect(done).toMatchObject({ code: 0 });
    const text = machine.read(`${HOME}/fettle.yaml`);
    expect(text).toContain('user: fettle-fresh');
    machine.write(`${HOME}/fettle.yaml`, text.replace('    user: fettle-fresh\n', '$&    env: {PORT: 8082}\n'), 0o600);
    await machine.sh('systemctl restart fettle');
    await serves('1.0.0', 8082);
    expect(await appUser(8082)).toBe('fettle-fresh');
    expect(await owner(`${HOME}/apps/fresh/shared/data/store`)).toMatch(/^fettle-fresh:/);
    // Whoever wants it as it was says so.
    const root = await home.fettle(['init', folder, ...flags.with(1, 'again'), '--user', 'root']);
    expect(root.out).not.toContain('fettle-again');
  });

  test('rescue by root, with everything stopped: the hub comes back as its user', async () => {
    await machine.sh('systemctl stop fettle');
    // What root does to the database meanwhile leaves nothing that the hub can't open.
    expect(await home.fettle(['claim'])).toMatchObject({ code: 0 });
    expect(await machine.sh(`find ${HOME}/hub ! -user fettle-hub`)).toBe('');
    const said = await home.fettle(['rescue', 'hub']);
    expect(said).toMatchObject({ code: 0 });
    expect(await userOf('hub')).toBe('fettle-hub');
    await machine.sh('systemctl start fettle');
    await until('the hub', async () => (await home.say('/update status web')).out.includes('healthy'), 60_000);
  });

  test('--uninstall gives it back', async () => {
    const said = await home.fettle(['install-service', '--uninstall']);
    expect(said).toMatchObject({ code: 0 });
    expect(said.out).toContain('`userdel fettle-hub` removes it');
    expect(
      await machine.sh(`find ${HOME} -user fettle-hub -o -group fettle-hub | grep -Ev '/(releases|backups)/' || true`),
    ).toBe('');
    expect(await owner(`${HOME}/fettle.yaml`)).toBe('root:root 600');
    expect(await owner(WEB_OWN)).toMatch(/^fettle-web:/);
    expect(await home.fettle(['up', '--detach'])).toMatchObject({ code: 0 });
    expect(await userOf('hub')).toBe('root');
    expect((await home.say('/update status web')).out).toContain('web 1.0.0');
    await home.fettle(['down']);
  });

  test('a second home of the machine, new: everybody apart from its first start on', async () => {
    const second = machineHome(machine, '/srv/second', '/run/second');
    await second.publish('web', '1.0.0', [
      { name: 'server.mjs', content: SERVER('1.0.0') },
      { name: 'tries.mjs', content: TRIES },
    ]);
    machine.write('/srv/second/fettle.yaml', `apps:\n${app('web', 8090, '\n    user: second-web')}`, 0o600);
    const done = await second.fettle(['install-service', '--name', 'second']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).not.toContain('Note:');
    await serves('1.0.0', 8090);
    expect(await appUser(8090)).toBe('second-web');
    expect(await userOf('hub')).toBe('second-hub');
    expect((await second.say('/update status web')).out).toContain('web 1.0.0: healthy');
    expect(await second.fettle(['install-service', '--uninstall', '--name', 'second'])).toMatchObject({ code: 0 });
    expect(await owner('/srv/second/hub/hub.db')).toMatch(/^root:root /);
  });

  test('in a unit of its own: shut in, and as its user', async () => {
    const done = await home.fettle(['install-service', '--separate']);
    expect(done).toMatchObject({ code: 0 });
    expect(await userOf('hub')).toBe('fettle-hub');
    expect(await machine.sh('systemctl show -P User fettle-hub')).toBe('fettle-hub');
    await until('the hub', async () => (await home.say('/update status web')).out.includes('healthy'), 60_000);
    expect(await home.fettle(['install-service', '--uninstall'])).toMatchObject({ code: 0 });
  });
});
