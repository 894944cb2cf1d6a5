/**
 * A fleet in network namespaces: a hub on a bridge, devices behind it, each in a namespace of its own with one cable, all
 * joined by one line. As a program (`npm run fleet`, as root) it prints what a person had to do.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type EnrolledDevice, enrolledDevice, lineIn } from './enrolled-device.ts';
import { freePort } from './free-port.ts';
import { type Home, makeHome } from './home.ts';
import { until } from './until.ts';

export interface Fleet {
  readonly hub: Home;
  readonly devices: readonly EnrolledDevice[];
  /** What a person typed, in order, and where. */
  readonly typed: { readonly where: string; readonly line: string }[];
  readonly tookMs: number;
  /** What `/device list` says when all are online. */
  readonly list: string;
  close(): Promise<void>;
}

/** Why there can be no fleet here; `undefined`: there can. */
export function whyNoFleet(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of ['ip', 'curl', 'unshare']) {
    const found = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
    if (!found) return `needs ${program}: apt-get install iproute2 curl util-linux`;
  }
  const name = `ftl${process.pid % 10_000}p`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    execFileSync('ip', ['link', 'add', name, 'type', 'bridge'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    return `this machine may not make network namespaces (${said})`;
  } finally {
    for (const args of [
      ['link', 'del', name],
      ['netns', 'del', name],
    ])
      quietly(args);
  }
}

const ip = (line: string) => execFileSync('ip', line.split(' '), { stdio: 'pipe' });

function quietly(args: readonly string[]): void {
  try {
    execFileSync('ip', [...args], { stdio: 'ignore' });
  } catch {
    // It is not there.
  }
}

/** Joins so many devices. @param say is told how it goes */
export async function startFleet(count: number, say: (line: string) => void = () => undefined): Promise<Fleet> {
  const tag = `ftl${process.pid % 10_000}`;
  const third = 1 + (process.pid % 250);
  const names = Array.from({ length: count }, (_, i) => `${tag}-${i}`);
  const hub = makeHome();
  const devices: EnrolledDevice[] = [];
  const typed: { where: string; line: string }[] = [];
  const close = async () => {
    await Promise.all(devices.map((device) => device.close()));
    await hub.close();
    for (const name of names) quietly(['netns', 'del', name]);
    quietly(['link', 'del', tag]);
  };
  try {
    ip(`link add ${tag} type bridge`);
    ip(`addr add 10.77.${third}.1/24 dev ${tag}`);
    ip(`link set ${tag} up`);
    for (const [i, name] of names.entries()) {
      ip(`netns add ${name}`);
      ip(`link add ${name} type veth peer name eth0 netns ${name}`);
      ip(`link set ${name} master ${tag} up`);
      ip(`-n ${name} addr add 10.77.${third}.${10 + i}/24 dev eth0`);
      ip(`-n ${name} link set lo up`);
      ip(`-n ${name} link set eth0 up`);
    }
    writeFileSync(
      hub.layout.config,
      `hub: {listen: "10.77.${third}.1:${await freePort()}", tls: self-signed}\napps: {}\n`,
    );
    const up = await hub.fettle(['up', '--detach']);
    if (up.code !== 0) throw new Error(`the hub does not start: ${up.out}${up.err}`);
    const began = performance.now();
    const ask = `/device enroll --count ${count} --for 24h --label site=lab`;
    typed.push({ where: 'the chat', line: ask });
    const line = lineIn((await hub.fettle(['say', ask])).out);
    if (line === '') throw new Error('the hub gave no line');
    for (const [i, name] of names.entries()) {
      // Names of hosts are the namespace's own, and half of them have the same: they are made unique.
      const host = `robot-${(i % Math.ceil(count / 2)) + 1}`;
      const within = ['unshare', '--uts', 'sh', '-c', 'hostname "$0"; exec "$@"', host, 'ip', 'netns', 'exec', name];
      devices.push(enrolledDevice('apps: {}\n', within));
    }
    // By twos: what it costs is this machine's, not the fleet's.
    const waiting = [...devices.entries()];
    const one = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [i, device] = next;
        typed.push({ where: `device ${i + 1}`, line });
        const pasted = await device.paste(line);
        if (pasted.code !== 0) throw new Error(`device ${i + 1}: ${pasted.err}${pasted.out}`);
        say(`device ${i + 1}: ${/This device is .*/.exec(pasted.out)?.[0] ?? pasted.out}`);
      }
    };
    await Promise.all([one(), one()]);
    let list = '';
    const online = async () => {
      list = (await hub.fettle(['say', '/device list'])).out;
      return list.split('\n').filter((row) => / online /.test(row) && row.includes('site=lab')).length === count;
    };
    await until(`${count} devices to be online`, online, 120_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${list}`);
    });
    return { hub, devices, typed, tookMs: performance.now() - began, list, close };
  } catch (error) {
    await close();
    throw error;
  }
}

if (import.meta.main) {
  const why = whyNoFleet();
  if (why !== undefined) {
    console.error(`not run: ${why}`);
    process.exit(1);
  }
  const count = Number(process.argv[2] ?? 10);
  const fleet = await startFleet(count, (line) => console.log(line));
  try {
    console.log(`\nWhat a person had to do, for ${count} devices:`);
    const [first, second] = fleet.typed;
    console.log(`  in the chat, once:     ${first?.line}`);
    console.log(`  on each device, once:  ${second?.line.replace(/[^ ]+$/, 'TOKEN')}`);
    const lines = new Set(fleet.typed.map(({ line }) => line)).size;
    console.log(
      `  ${lines} different lines; the second pasted ${fleet.typed.length - 1} times; ${Math.round(fleet.tookMs / 1_000)} s on this machine\n`,
    );
    console.log(fleet.list.trimEnd());
  } finally {
    await fleet.close();
  }
}
