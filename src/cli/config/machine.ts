import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { words } from '../../../agent/restart/command-line.ts';
import { isWhereverSigned } from '../../../agent/source-of.ts';
import type { AppConfig } from '../../../config/agent-schema.ts';
import { CHAT_PLATFORMS, readChatSecret, secretPlace } from '../../../config/chat-secrets.ts';
import type { HomeLayout } from '../../../config/home.ts';
import type { HubConfig } from '../../../config/hub-schema.ts';
import { isAgentFile } from '../../../config/load-device.ts';
import { isForge } from '../../domain/forge.ts';
import { APP_ID } from '../chats/platforms.ts';
import type { AskProgram } from '../init/ask.ts';

/** What no schema can see: whether this machine has what the file names. */

export interface MachineFinding {
  /** It can't work, or it is worth a look. */
  readonly level: 'wrong' | 'note';
  readonly path: readonly string[];
  readonly what: string;
  readonly mend: string;
}

export interface MachineDeps {
  readonly layout: HomeLayout;
  readonly ask: AskProgram;
  /** PATH that apps get. */
  readonly path: string;
  /** The configuration: secrets of chats are beside it. */
  readonly file: string;
  /** Of the environment, which secrets may come from. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** Every finding, app by app. Changes nothing. */
export async function machineFindings(config: HubConfig, deps: MachineDeps): Promise<MachineFinding[]> {
  const findings: MachineFinding[] = [];
  for (const [app, of] of Object.entries(config.apps)) {
    const at = (key: string, level: MachineFinding['level'], what: string, mend: string) =>
      findings.push({ level, path: ['apps', app, ...key.split('.')], what, mend });
    ofFiles(of, at);
    ofRun(app, of, deps, at);
    await ofUser(of, deps, at);
    await ofUnit(of, deps, at);
    if (!of.source && !(isAgentFile(deps.file) && isWhereverSigned(of)))
      at(
        'source',
        'note',
        'there is none: it is kept running, but never updated',
        of.keys.length > 0
          ? 'Add `source: feed URL`, or another: only the agent.yaml of a device elsewhere can leave it to the hub.'
          : 'Add `source: npm NAME`, or another.',
      );
    const { http, tcp, command, log, notify } = of.healthy;
    if (http === undefined && tcp === undefined && command === undefined && log === undefined && !notify)
      at(
        'healthy',
        'note',
        'only its process is watched, not whether it works',
        'Add `healthy: {http: "http://127.0.0.1:PORT/"}`.',
      );
    for (const [index, kept] of of.keep.entries()) {
      const outer = of.keep.find((other) => kept !== other && kept.startsWith(`${other}/`));
      if (outer !== undefined)
        at(`keep.${index}`, 'wrong', `${kept} lies in ${outer}, which is kept as a whole`, `Take ${kept} out.`);
    }
  }
  findings.push(...ofPorts(config), ...ofChats(config, deps));
  return findings;
}

/** A chat whose secret is in no file: it may be in the hub's own environment. */
function ofChats({ chats }: HubConfig, { file, variables }: MachineDeps): MachineFinding[] {
  return CHAT_PLATFORMS.filter((platform) => chats[platform] !== undefined).flatMap((platform): MachineFinding[] => {
    const place = secretPlace(platform, chats, file);
    const secret = readChatSecret(place, variables);
    const at = { path: ['chats', platform], mend: `fettle chats add ${platform}` };
    if (!secret.found)
      return [
        {
          ...at,
          level: 'wrong',
          what: `there is no ${place.what}: ${place.file} ${secret.reason === undefined ? 'is not there' : `(${secret.reason})`}, and ${place.variable} is not set`,
        },
      ];
    const appId = platform === 'feishu' ? chats.feishu?.appId : undefined;
    return appId !== undefined && !APP_ID.shape.test(appId)
      ? [
          {
            ...at,
            path: [...at.path, 'appId'],
            level: 'wrong',
            what: `expected ${APP_ID.expected}`,
            mend: APP_ID.where,
          },
        ]
      : [];
  });
}

type At = (key: string, level: MachineFinding['level'], what: string, mend: string) => void;

function ofFiles(app: AppConfig, at: At): void {
  const { source, binary, data, notNow } = app;
  if (source?.kind === 'folder' && !isFolder(source.path))
    at('source', 'wrong', `there is no folder ${source.path}`, 'Make it with `fettle publish --to`, or mend the path.');
  ofToken(app, at);
  if (binary !== undefined) {
    const stat = statSync(binary, { throwIfNoEntry: false });
    if (!stat)
      at(
        'binary',
        app.source || isWhereverSigned(app) ? 'note' : 'wrong',
        `${binary} is not there`,
        'Put the executable there, or mend the path.',
      );
    else if (!stat.isFile()) at('binary', 'wrong', `${binary} is no file`, 'Name the executable itself.');
    else if (!isExecutable(binary)) at('binary', 'wrong', `${binary} is not executable`, `chmod +x ${binary}`);
  }
  if (data !== undefined && !isFolder(data))
    at('data', 'wrong', `there is no folder ${data}`, 'Make it, or mend the path.');
  if (notNow?.file !== undefined && !isFolder(dirname(notNow.file)))
    at(
      'notNow',
      'note',
      `there is no folder ${dirname(notNow.file)}, so the app is never said to be busy`,
      'Is the path right?',
    );
}

function ofToken({ source }: AppConfig, at: At): void {
  if (!source || !isForge(source) || source.tokenFile === undefined) return;
  const stat = statSync(source.tokenFile, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    const mend = 'Put a token that may read the repository into it, or take `tokenFile` out.';
    at('source.tokenFile', 'wrong', `there is no file ${source.tokenFile}`, mend);
  } else if ((stat.mode & 0o044) !== 0) {
    at(
      'source.tokenFile',
      'note',
      `others on this machine may read ${source.tokenFile}`,
      `chmod 600 ${source.tokenFile}`,
    );
  }
}

/** A program is looked for where the keeper will: in the slot, then in PATH. */
function ofRun(name: string, { run, restart }: AppConfig, { layout, path }: MachineDeps, at: At): void {
  if (run === undefined || restart.kind === 'systemd') return;
  const [program = ''] = words(run);
  const { current } = layout.app(name);
  if (program === 'node') return;
  if (isAbsolute(program)) {
    if (!isExecutable(program)) at('run', 'wrong', `${program} is not there, or not executable`, 'Mend the path.');
    return;
  }
  // What is not installed yet can't be looked into.
  if (!existsSync(current)) return;
  if (program.includes('/')) {
    if (!isExecutable(join(current, program)))
      at(
        'run',
        'wrong',
        `the release that is installed has no executable ${program}`,
        'Name a file of the release, or a program in PATH.',
      );
    return;
  }
  const folders = [join(current, 'node_modules', '.bin'), ...path.split(delimiter)];
  if (!folders.some((folder) => isExecutable(join(folder, program))))
    at(
      'run',
      'wrong',
      `there is no program ${program}, neither in the release nor in PATH`,
      'Write ./NAME for a file of the release.',
    );
}

async function ofUser({ user, restart }: AppConfig, { ask }: MachineDeps, at: At): Promise<void> {
  if (user === undefined) return;
  const known = await ask('id', ['-u', user]);
  if (known?.code !== 0) at('user', 'wrong', `this machine has no user ${user}`, `useradd --system ${user}`);
  else if (process.geteuid?.() !== 0 && known.stdout.trim() !== String(process.geteuid?.()))
    at('user', 'wrong', 'Fettle must be root to run it as another user', 'Run Fettle as root, or leave `user` out.');
  if (restart.kind === 'systemd') at('user', 'note', 'the unit says who it runs as', 'Set User= in the unit.');
}

async function ofUnit({ restart }: AppConfig, { ask }: MachineDeps, at: At): Promise<void> {
  if (restart.kind !== 'systemd') return;
  const args = [...(restart.user ? ['--user'] : []), 'show', restart.unit, '--property=LoadState'];
  const shown = await ask('systemctl', args);
  const state = /^LoadState=(.*)$/m.exec(shown?.stdout ?? '')?.[1];
  if (shown === undefined) at('restart', 'wrong', 'there is no systemctl here', 'Use `restart: kept`.');
  else if (state === undefined) at('restart', 'wrong', 'systemd does not answer', 'Is this machine run by systemd?');
  else if (state !== 'loaded')
    at(
      'restart',
      'wrong',
      `systemd knows no unit ${restart.unit} (${state})`,
      'Mend the name, or write the unit and run `systemctl daemon-reload`.',
    );
}

/** Two that want one port: the second never starts. */
function ofPorts(config: HubConfig): MachineFinding[] {
  const findings: MachineFinding[] = [];
  const owners = new Map<number, string>(config.hub.port === 0 ? [] : [[config.hub.port, 'the hub']]);
  for (const [app, { healthy, env }] of Object.entries(config.apps)) {
    const ports = new Map<number, string>();
    const http = healthy.http === undefined ? undefined : new URL(healthy.http);
    const local = http && /^(127\.[\d.]+|localhost|\[::1\])$/.test(http.hostname);
    if (http && local) ports.set(Number(http.port || (http.protocol === 'https:' ? 443 : 80)), 'http');
    if (healthy.tcp && /^(127\.[\d.]+|localhost)$/.test(healthy.tcp.host)) ports.set(healthy.tcp.port, 'tcp');
    for (const [port, key] of ports) {
      const owner = owners.get(port);
      if (owner !== undefined)
        findings.push({
          level: 'wrong',
          path: ['apps', app, 'healthy', key],
          what: `port ${port} is that of ${owner}, too`,
          mend: 'Give one of them another port.',
        });
      else owners.set(port, app);
      const said = Number(env.PORT);
      if (env.PORT !== undefined && said !== port && ports.size === 1)
        findings.push({
          level: 'note',
          path: ['apps', app, 'healthy', key],
          what: `port ${port} is asked, and env.PORT says ${env.PORT}`,
          mend: 'Let both say the same.',
        });
    }
  }
  return findings;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
