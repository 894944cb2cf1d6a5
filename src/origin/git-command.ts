import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cutText } from '../domain/cut-text.ts';
import { FettleError, systemCodeOf, toFettleError } from '../domain/errors.ts';
import { isFolder, showGitAddress } from '../domain/git-address.ts';
import { writeDurably } from '../files/durable.ts';
import { type ChildResult, runChild, type Spawn } from './child.ts';

/**
 * Runs git: asks nobody, reads no configuration but ours, runs no hook and no program that an address names. What a
 * repository contains decides nothing here.
 */

export interface GitOptions {
  /** Ours: mirrors and settings live in it. */
  readonly folder: string;
  /** The whole environment: PATH, HOME (keys of ssh, `.netrc`), proxies. Nothing else is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** `git`, looked up in PATH, unless given. */
  readonly git?: string | undefined;
  readonly spawn?: Spawn | undefined;
}

export interface GitRun {
  /** `describeSource`'s text, for messages. */
  readonly source: string;
  readonly url: string;
  /** The repository of ours to work in. */
  readonly mirror?: string | undefined;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  readonly maxOutput?: number | undefined;
  readonly onError?: ((text: string) => void) | undefined;
}

/** In arguments, stands for the address. */
export const ADDRESS = Symbol('address');

export interface Git {
  /**
   * Runs it to the end.
   * @returns standard output
   * @throws {FettleError} `source_unreachable {source, reason}` where git fails or is not there, `no_space`
   */
  run(args: readonly (string | typeof ADDRESS)[], run: GitRun): Promise<string>;
}

const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.askPass=',
  'credential.helper=',
  'gc.auto=0',
  'maintenance.auto=false',
  'fetch.recurseSubmodules=false',
  'submodule.recurse=false',
  'http.lowSpeedLimit=200',
  'http.lowSpeedTime=60',
];
const SSH = 'ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4';

export function createGit(options: GitOptions): Git {
  return {
    async run(args, run) {
      mkdirSync(options.folder, { recursive: true, mode: 0o700 });
      const access = accessTo(run.url);
      const argv = args.map((arg) => (arg === ADDRESS ? access.url : arg));
      let result: ChildResult;
      try {
        result = await runChild({
          command: options.git ?? 'git',
          args: [
            ...SETTINGS.flatMap((setting) => ['-c', setting]),
            ...(run.mirror === undefined ? [] : [`--git-dir=${run.mirror}`]),
            ...argv,
          ],
          cwd: options.folder,
          env: {
            ...options.env,
            ...access.env,
            LC_ALL: 'C',
            GIT_TERMINAL_PROMPT: '0',
            GIT_CONFIG_NOSYSTEM: '1',
            GIT_CONFIG_GLOBAL: configFile(options.folder, run.url),
            GIT_ALLOW_PROTOCOL: protocolsOf(run.url),
            GIT_SSH_COMMAND: SSH,
            GIT_OPTIONAL_LOCKS: '0',
            GIT_NO_LAZY_FETCH: '1',
          },
          signal: run.signal,
          deadlineMs: run.deadlineMs,
          maxOutput: run.maxOutput ?? 1_000_000,
          onError: run.onError,
          spawn: options.spawn,
        });
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT') throw toFettleError(error, 'source_unreachable', { source: run.source });
        const reason = 'git is not installed here (apt install git, dnf install git, apk add git)';
        throw new FettleError('source_unreachable', { data: { source: run.source, reason }, cause: error });
      }
      if (result.code === 0 && !result.stopped) return result.stdout;
      throw failure(run, result);
    },
  };
}

/** Protocols that git may speak, also where it is redirected: no server leads from what is encrypted to what is not. */
function protocolsOf(url: string): string {
  if (isFolder(url) || url.startsWith('file:')) return 'file';
  if (url.startsWith('https:')) return 'https';
  return url.startsWith('http:') ? 'http:https' : 'ssh';
}

function failure(run: GitRun, result: ChildResult): FettleError {
  const { source } = run;
  const unreachable = (reason: string, retryable = true) =>
    new FettleError('source_unreachable', { data: { source, reason }, retryable });
  switch (result.stopped) {
    case 'deadline':
      return unreachable(`git did not end within ${Math.round(run.deadlineMs / 100) / 10} s`);
    case 'aborted':
      return unreachable('the request was called off');
    case 'output':
      return new FettleError('source_invalid', {
        data: { source, reason: 'the repository answered with more than can be right' },
      });
    default:
  }
  const lines = result.stderr.split(/[\r\n]+/).map((line) => line.trim());
  if (lines.some((line) => /No space left on device|Disk quota exceeded/.test(line))) {
    return new FettleError('no_space', { data: { source, reason: 'git found no room' }, retryable: true });
  }
  const said = lines.filter((line) => /^(fatal|error|ERROR|remote|ssh|Host key|.*Permission denied)/.test(line));
  const reason = (said.find((line) => line.startsWith('fatal:')) ?? said[0] ?? lines.at(-1) ?? '').replace(
    /^fatal: /,
    '',
  );
  // "Could not read from remote repository" says nothing; what ssh said before it does.
  const first = /Could not read from remote|unable to access|early EOF/.test(reason) ? said[0] : undefined;
  const text = [...new Set([first, reason])].filter((part) => part).join(': ');
  return unreachable(cutText(withoutCredentials(text), 300) || `git ended with status ${result.code ?? 'of a signal'}`);
}

/** Addresses in git's words, without what must not be seen. */
function withoutCredentials(text: string): string {
  return text.replace(/[a-z+]+:\/\/[^\s'"]+/g, (address) => showGitAddress(address));
}

/**
 * A password in an address would be in the arguments of git's own children, where everybody on the machine reads it: it goes
 * as a header, by the environment, to that server alone.
 */
function accessTo(url: string): { readonly url: string; readonly env: Readonly<Record<string, string>> } {
  if (!/^https?:\/\//.test(url)) return { url, env: {} };
  const parsed = new URL(url);
  if (parsed.username === '' && parsed.password === '') return { url, env: {} };
  const [user, password] = [decodeURIComponent(parsed.username), decodeURIComponent(parsed.password)];
  parsed.username = '';
  parsed.password = '';
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  return {
    url: parsed.href,
    env: {
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: `http.${parsed.origin}/.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
      GIT_CONFIG_KEY_1: 'http.followRedirects',
      GIT_CONFIG_VALUE_1: 'false',
    },
  };
}

/**
 * Git refuses a folder of another user; that this one is meant is what the device's file says. Its hooks are not run
 * even so. One file an address, so that two questions at the same time do not write one.
 */
function configFile(folder: string, url: string): string {
  if (!isFolder(url)) return '/dev/null';
  const file = join(folder, `${createHash('sha256').update(url).digest('hex').slice(0, 16)}.conf`);
  const path = (text: string) => `"${text.replace(/[\\"]/g, '\\$&')}"`;
  writeDurably(file, `[safe]\n\tdirectory = ${path(url)}\n\tdirectory = ${path(join(url, '.git'))}\n`, 0o600);
  return file;
}
