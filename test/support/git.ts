import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

/** A real repository, as somebody works on it. */
export interface TestRepository {
  readonly folder: string;
  git(...args: string[]): string;
  /** Writes files (`null`: removed; `{to}`: a link) and commits them, at a time of its own. @returns the commit's id */
  commit(files: Readonly<Record<string, string | null | { readonly to: string }>>, subject?: string): string;
}

/** Each commit is a minute after the one before. */
export function makeRepository(folder: string): TestRepository {
  mkdirSync(folder, { recursive: true });
  let seconds = Date.parse('2026-11-21T10:00:00Z') / 1_000;
  const git = (...args: string[]) => {
    const date = `${seconds} +0000`;
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.org',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.org',
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_DATE: date,
    };
    return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  };
  git('init', '--quiet', '--initial-branch=main');
  return {
    folder,
    git,
    commit(files, subject = 'Work') {
      seconds += 60;
      for (const [name, content] of Object.entries(files)) {
        const path = join(folder, name);
        rmSync(path, { recursive: true, force: true });
        mkdirSync(dirname(path), { recursive: true });
        if (typeof content === 'string') writeFileSync(path, content);
        else if (content) symlinkSync(content.to, path);
      }
      git('add', '--all', '--force');
      git('commit', '--quiet', '--allow-empty', '--message', subject);
      return git('rev-parse', 'HEAD');
    },
  };
}

/** git's own server for HTTP (`git http-backend`), on loopback. */
export interface GitServer {
  readonly url: string;
  /** Requests as `GET /site/info/refs?…`, and what they authorized with. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[];
  /** Where set, other requests are refused with 401. */
  password: string | undefined;
  close(): Promise<void>;
}

/** @param root each folder in it is a repository */
export async function serveGit(root: string): Promise<GitServer> {
  const requests: GitServer['requests'] = [];
  const served = { password: undefined as string | undefined };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const { authorization } = request.headers;
    requests.push({ line: `${request.method} ${request.url}`, authorization });
    const wanted = served.password === undefined ? undefined : Buffer.from(`ada:${served.password}`).toString('base64');
    if (wanted !== undefined && authorization !== `Basic ${wanted}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const child = spawn('git', ['-c', 'safe.directory=*', 'http-backend'], {
      env: {
        PATH: process.env.PATH ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'uploadpack.allowFilter',
        GIT_CONFIG_VALUE_0: 'true',
        REQUEST_METHOD: request.method ?? 'GET',
        PATH_INFO: decodeURIComponent(url.pathname),
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.on('error', () => undefined);
    request.pipe(child.stdin);
    const out: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.once('close', () => {
      const answer = Buffer.concat(out);
      const end = answer.indexOf('\r\n\r\n');
      const head = answer.subarray(0, Math.max(0, end)).toString('latin1').split('\r\n');
      const headers = head.map((line) => line.split(/:\s*/, 2) as [string, string]).filter(([name]) => name !== '');
      const status = Number(/\d{3}/.exec(headers.find(([name]) => name === 'Status')?.[1] ?? '')?.[0] ?? 200);
      response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
      response.end(answer.subarray(end + 4));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get password() {
      return served.password;
    },
    set password(value) {
      served.password = value;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
