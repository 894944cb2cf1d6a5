import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishHello } from '../../src/cli/samples/hello.ts';
import { lineIn } from '../support/enrolled-device.ts';
import { bootMachine, type Machine, whyNoMachine } from '../support/machine.ts';
import { type MachineHome, machineHome } from '../support/machine-home.ts';
import { until } from '../support/until.ts';

/**
 * A device that joins by the pasted line on a machine with a real systemd. Its hub is a service of the same machine, in a
 * home of its own, so that both go through its boot. Each test begins where the last ended.
 */

const why = whyNoMachine();
if (why && process.env.FETTLE_REQUIRE_SYSTEMD) throw new Error(`tests of joined services can't run: ${why}`);
if (why) console.log(`tests of joined services are not run: ${why}`);

const HOME = '/var/lib/fettle';
const HUB = '/srv/hub';
const UNIT = '/etc/systemd/system/fettle.service';
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
/** No Fettle and no Node.js is in a new device's path. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

describe.skipIf(why)('a device joins as a service:', { timeout: 240_000 }, () => {
  let machine: Machine;
  let hub: MachineHome;
  let line: string;

  beforeAll(async () => {
    machine = await bootMachine();
    hub = machineHome(machine, HUB, '/run/hub');
    await publishHello(machine.path(`${HUB}/releases/hello`), machine.path(`${HUB}/tmp`), clock);
    machine.write(
      `${HUB}/fettle.yaml`,
      `hub: {listen: "127.0.0.1:7412", tls: self-signed}
apps:
  hello: {source: folder releases/hello, run: node server.mjs}
`,
      0o600,
    );
    machine.write(
      `${HOME}/agent.yaml`,
      `apps:
  hello:
    source: folder ${join(HUB, 'releases/hello')}
    install: 1.0.0
    run: node server.mjs
    user: fettle-hello
    env: {PORT: 8090}
    keep: [data]
    healthy: {http: "http://127.0.0.1:8090/version", version: .version, for: 1s}
`,
      0o600,
    );
    const installed = await hub.fettle(['install-service', '--name', 'hub']);
    expect(installed, installed.err).toMatchObject({ code: 0 });
  }, 240_000);
  afterAll(() => machine?.close(), 60_000);

  const paste = (text = line) =>
    machine.run(['sh', '-c', text.replace('| sudo sh', '| sh')], { env: { PATH }, timeoutMs: 180_000 });
  const onDevice = (...args: string[]) => machine.run(['fettle', ...args], { env: { PATH }, timeoutMs: 120_000 });
  const rowOf = async (name: string) =>
    (await hub.say('/device list')).out.split('\n').find((row) => row.includes(name)) ?? '';
  const agent = async () => (await machine.run(['pgrep', '-f', `agent --home ${HOME}`])).out.trim();
  const serves = (version: string) =>
    until(
      `hello ${version} to run, and the hub to know it`,
      async () => {
        const answer = await machine.run(['curl', '-fsS', 'http://127.0.0.1:8090/version']);
        return answer.out.includes(version) && / online .*hello/.test(await rowOf('robot-7'));
      },
      90_000,
    );

  test('the pasted line installs a service; nothing of a hub is on the device', async () => {
    line = lineIn((await hub.say('/device enroll robot-7')).out);
    expect(line).toMatch(
      /^curl -fsSk --pinnedpubkey sha256\/\/\S{44} https:\/\/127\.0\.0\.1:7412\/enroll \| sudo sh -s -- /,
    );
    const pasted = await paste();
    expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
    expect(pasted.out).toContain('This device is robot-7 of the hub at 127.0.0.1:7412.');
    expect(pasted.out).toContain(`Wrote ${UNIT}`);
    expect(pasted.out).toContain('Made the user fettle-hello, as whom hello runs.');
    expect(pasted.out).toContain('`fettle status` shows how this device is');
    expect(pasted.out).not.toMatch(/The hub runs|fettle chat|fettle-hub/);
    console.log(pasted.err + pasted.out);
    expect(machine.read(UNIT)).toContain(`Description=Fettle: agent and apps of ${HOME}`);
    expect((await machine.run(['id', 'fettle-hub'])).code).not.toBe(0);
    expect(await machine.sh('systemctl is-active fettle; systemctl is-enabled fettle')).toBe('active\nenabled');
    await serves('1.0.0');
    expect((await onDevice('status')).out).toContain('hello 1.0.0');
    expect(await machine.sh('ps -o user= -p $(pgrep -f server.mjs)')).toMatch(/^fettle-/);
    expect(await machine.sh(`ls ${HOME}`)).not.toMatch(/^enroll$/m);
  });

  test('the same line once more changes nothing but that the agent starts again', async () => {
    const [unit, key, before] = [machine.read(UNIT), machine.read(`${HOME}/agent/key`), await agent()];
    const pasted = await paste();
    expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
    expect(pasted.out).toContain('This device is robot-7 of the hub');
    expect(pasted.out).not.toMatch(/Wrote|Made/);
    expect([machine.read(UNIT), machine.read(`${HOME}/agent/key`)]).toEqual([unit, key]);
    expect(await agent()).not.toBe(before);
    await serves('1.0.0');
  });

  test('it survives a restart of the service, and a power cut', async () => {
    const before = await agent();
    await machine.sh('systemctl restart fettle');
    await until('another agent', async () => !['', before].includes(await agent()), 30_000);
    await serves('1.0.0');
    await machine.cutPower();
    await machine.boot();
    await serves('1.0.0');
  });

  test('/update now, by the hub', async () => {
    const said = await hub.say('/update now hello@1.1.0 on robot-7', 120_000);
    expect(said, said.out).toMatchObject({ code: 0 });
    expect(said.out).toContain('hello is back online, 1.1.0');
    await serves('1.1.0');
  });

  test('with a new key it is another device, without another service; the old one can be revoked', async () => {
    const fresh = lineIn((await hub.say('/device enroll robot-8')).out);
    const pasted = await paste(`${fresh} --new-key`);
    expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
    await until('it to be online', async () => / online .*hello/.test(await rowOf('robot-8')), 60_000);
    expect(await rowOf('robot-7')).toContain('offline');
    expect((await hub.say('/device revoke robot-7 --sure')).code).toBe(0);
    expect(await machine.sh("systemctl list-unit-files --no-legend 'fettle*' | wc -l")).toBe('1');
  });

  test('it is taken away again', async () => {
    const said = await onDevice('install-service', '--uninstall');
    expect(said, said.err + said.out).toMatchObject({ code: 0 });
    expect(said.out).toContain(`Removed ${UNIT}`);
    expect(said.out).not.toContain('hub');
    expect((await machine.run(['test', '-e', UNIT])).code).not.toBe(0);
    expect(await agent()).toBe('');
    expect((await machine.run(['pgrep', '-f', 'server.mjs'])).out).toBe('');
    await until('the hub to see that it is gone', async () => /offline/.test(await rowOf('robot-8')), 90_000);
    // What it left says truly how it goes on.
    expect(await onDevice('up', '--detach')).toMatchObject({ code: 0 });
    await until('it to be online', async () => / online .*hello/.test(await rowOf('robot-8')), 60_000);
    expect(await onDevice('down')).toMatchObject({ code: 0 });
  });
});
