import { existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { noteJoined, takeJoined } from '../../../agent/audit/enrolment.ts';
import { openDeviceAudit } from '../../../agent/audit/index.ts';
import { HubFile, hubFile, machineOf } from '../../../agent/hub-identity.ts';
import { createKeeperClient } from '../../../agent/keeper/client.ts';
import { takeLock } from '../../../agent/keeper/lock.ts';
import type { Environment } from '../../../config/environment.ts';
import { type HomeLayout, readServiceRecord } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { isLoopback } from '../../domain/loopback.ts';
import { makeFolder, readTrimmed, writeDurably } from '../../files/durable.ts';
import { createSeenFile } from '../../origin/seen.ts';
import { openKey } from '../../protocol/key.ts';
import { agentFile } from '../enrolled.ts';
import { machineClock } from '../npm-tools.ts';
import { isHeld } from '../service/hand-over.ts';
import { managerFor, requireManager } from '../service/manager.ts';
import { askHub, refusalOf } from './ask-hub.ts';

/**
 * `fettle enroll`: makes this home a device of a hub. Every step is done again or is there already, so that the same line
 * goes on wherever it was cut off; the token is spent by the hub when it has the key, and the same key gets its answer
 * again. What makes the home a device is `agent/hub.json`, which is written last.
 */
export interface EnrollOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  /** `https://HOST:PORT` */
  readonly hub: string;
  /** `sha256//BASE64` or `sha256/BASE64`. */
  readonly pin: string | undefined;
  readonly tokenFile: string;
  readonly newKey: boolean;
  /** Its unit's name, unless it has a service already. */
  readonly service: string;
  /** False: it is installed and joined, and nothing runs. */
  readonly start: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const Answer = z.object({
  device: z.string().regex(/^d-[0-9a-f-]{36}$/),
  name: z.string().max(100),
  hubKey: z.string().max(2_000),
  address: z.string().max(2_000),
  certificate: z.string().optional(),
  seen: z.record(z.string().max(3_000), z.number().int().nonnegative()).default({}),
});

export async function runEnroll(options: EnrollOptions): Promise<number> {
  const { layout, say } = options;
  const url = hubAddress(options.hub);
  const pin = readPin(options.pin);
  if (existsSync(layout.hub.db)) throw bad(`${layout.home} is the home of a hub itself; give another --home`);
  const token = readToken(options.tokenFile);
  makeFolder(layout.home);
  makeFolder(layout.agent.dir);
  const keyFile = options.newKey ? `${layout.agent.key}.new` : layout.agent.key;
  const { publicKey } = openKey(keyFile);
  say(`Asking ${url.host} …`);
  const answer = await askHub(
    url,
    JSON.stringify({
      token,
      publicKey,
      machine: machineOf(layout.home),
      hostname: hostname().slice(0, 255),
      platform: `${process.platform}-${process.arch}`,
    }),
    pin,
  );
  if (answer.status !== 200) throw refusalOf(answer);
  const parsed = Answer.safeParse(parseJson(answer.body));
  if (!parsed.success) throw new FettleError('hub_unreachable', { data: { reason: 'its answer can’t be read' } });
  const { device, name, address, hubKey } = parsed.data;
  const uid = process.getuid?.();
  noteJoined(layout, { device, name, address, hubKey, ownKey: publicKey, newKey: options.newKey, uid });
  await keep(options, keyFile, parsed.data);
  writeJoined(layout);
  say(`This device is ${parsed.data.name} of the hub at ${new URL(parsed.data.address).host}.`);
  return options.start ? startHere(options) : installHere(options);
}

/** Fettle in this home, and the command that starts it: what the line unpacked is gone afterwards. */
async function installHere({ layout, environment, say }: EnrollOptions): Promise<number> {
  const { prepareAll } = await import('../up.ts');
  await prepareAll({ layout, environment, config: agentFile(layout), say, running: isHeld(layout) });
  say(`Nothing was started: ${writeCommand(layout, process.geteuid?.() === 0)} up --detach starts it.`);
  return 0;
}

/** An agent that lives writes it into its audit log itself. */
function writeJoined(layout: HomeLayout): void {
  try {
    const lock = takeLock(layout.agent.lock);
    try {
      takeJoined(layout, openDeviceAudit({ layout, clock: machineClock, log: () => undefined }));
    } finally {
      lock.release();
    }
  } catch {
    // It stays noted, and the agent takes it at its start.
  }
}

/** Writes what was answered; what is there already is the same. */
async function keep({ layout, say }: EnrollOptions, keyFile: string, answer: z.infer<typeof Answer>): Promise<void> {
  const { address, hubKey, certificate } = answer;
  const hub = HubFile.parse({ address, key: hubKey, ...(certificate === undefined ? {} : { certificate }) });
  if (keyFile !== layout.agent.key) {
    renameSync(keyFile, layout.agent.key);
    renameSync(`${keyFile}.pub`, `${layout.agent.key}.pub`);
  }
  const seen = createSeenFile(layout.agent.seen);
  for (const [source, number] of Object.entries(answer.seen)) {
    const before = await seen.highest(source);
    if (before === undefined || number > before) await seen.saw(source, number);
  }
  const file = agentFile(layout);
  if (!existsSync(file)) {
    writeDurably(file, STARTING, 0o600);
    say(`Wrote ${file}: it says what Fettle may do here. Fill in your apps.`);
  }
  writeDurably(join(layout.agent.dir, 'id'), `${answer.device}\n`);
  writeDurably(hubFile(layout), `${JSON.stringify(hub, null, 2)}\n`, 0o600);
}

/** Starts the agent: as a service where systemd can, else in the background. */
async function startHere(options: EnrollOptions): Promise<number> {
  const { layout, environment, say, signal } = options;
  const system = process.geteuid?.() === 0;
  const service = {
    layout,
    environment,
    config: agentFile(layout),
    user: !system,
    separate: false,
    oneUser: false,
    dryRun: false,
    say,
  };
  // One that has a service already keeps it, whatever it is called.
  const record = readServiceRecord(layout.home);
  const name = record?.units[0]?.replace(/(-agent)?\.service$/, '') ?? options.service;
  const manager = { ...service, name, signal };
  let how: 'service' | 'background' = 'service';
  if (existsSync('/run/systemd/system'))
    await requireManager(managerFor(manager), !system).catch(() => {
      how = 'background';
    });
  else how = 'background';
  if (how === 'service') {
    const { runInstallService } = await import('../service/install.ts');
    const wasHeld = isHeld(layout);
    await runInstallService(manager);
    // What takes over from the background starts the agent again anyway, and its socket is another then.
    if (wasHeld && record) await restartAgent(layout);
  } else if (isHeld(layout)) {
    await restartAgent(layout);
    say('It runs already, and goes on with this hub.');
  } else {
    const { startAll } = await import('../up.ts');
    const running = await startAll({ layout, environment, config: undefined, detach: true, say, signal });
    running.leave();
    say('It runs in the background. Nothing starts it with the machine: have your init system run this at boot:');
    say(`  ${commandFile(layout)} up --detach`);
  }
  const command = writeCommand(layout, system);
  say(`${command} status shows how it is; ${command} down stops it. Its apps are named in ${agentFile(layout)}.`);
  return 0;
}

async function restartAgent(layout: HomeLayout): Promise<void> {
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('restart', { app: 'agent' }, { timeoutMs: 30_000 });
  } finally {
    keeper.close();
  }
}

const commandFile = (layout: HomeLayout) => join(layout.home, 'bin', 'fettle');

/** `fettle` for people on this device: whichever release of the agent is installed. Answers how it is called. */
function writeCommand(layout: HomeLayout, system: boolean): string {
  const slot = `${layout.app('agent').current}/.fettle`;
  const shell = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const file = commandFile(layout);
  makeFolder(dirname(file));
  const line = `exec ${shell(`${slot}/node`)} ${shell(`${slot}/fettle`)} --home ${shell(layout.home)} --config ${shell(agentFile(layout))} "$@"`;
  writeDurably(file, `#!/bin/sh\n${line}\n`, 0o755);
  const everywhere = '/usr/local/bin/fettle';
  if (!system || layout.home !== '/var/lib/fettle') return file;
  try {
    if (!existsSync(everywhere)) {
      rmSync(everywhere, { force: true });
      symlinkSync(file, everywhere);
    }
    return 'fettle';
  } catch {
    return file;
  }
}

function hubAddress(text: string): URL {
  const base = URL.parse(text.replace(/\/+$/, ''));
  if (!base || !['http:', 'https:'].includes(base.protocol) || base.username !== '' || base.search !== '')
    throw bad('--hub takes the address that /device enroll gave, such as https://hub.example:7412');
  if (base.protocol === 'http:' && !isLoopback(base.hostname.replace(/^\[|\]$/g, '')))
    throw bad('--hub is http://, which anybody on the way can read and change: it takes https://');
  return new URL(`${base.pathname.replace(/\/$/, '')}/enroll`, base);
}

function readPin(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const pin = text.replace(/^sha256\/\//, 'sha256/');
  if (!/^sha256\/[A-Za-z0-9+/]{43}=$/.test(pin)) throw bad('--pin takes sha256//BASE64, as /device enroll gave it');
  return pin;
}

function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (error) {
    throw bad(`the token can't be read from ${file === '-' ? 'standard input' : file}: ${(error as Error).message}`);
  }
  if (text === '' || text.length > 100 || /\s/.test(text))
    throw new FettleError('enroll_refused', { data: { why: 'wrong' } });
  return text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const bad = (reason: string) => new FettleError('bad_arguments', { data: { reason } });

/** Which hub a home belongs to, for people. */
export function hubOf(layout: HomeLayout): string | undefined {
  const parsed = HubFile.safeParse(parseJson(readTrimmed(hubFile(layout)) ?? ''));
  return parsed.success && URL.canParse(parsed.data.address) ? new URL(parsed.data.address).host : undefined;
}

const STARTING = `# This device's own file: what Fettle may do here. The hub can't change it, and can order nothing that it does not name.
# The same file may be on every device of a fleet. docs/fleet.md and docs/configure.md say more; after a change restart the
# agent: fettle restart agent, or /update restart agent on this device.
#
# apps:
#   robot:
#     binary: /opt/robot/robot
#     keys: [RWQ...]      # whose releases are taken; the hub says where they are
#     restart: systemd robot
#     healthy: {http: "http://127.0.0.1:8080/version", version: .version}

apps: {}
`;
