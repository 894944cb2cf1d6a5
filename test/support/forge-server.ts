import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * GitHub's and Gitea's releases on loopback, strict where they are strict: headers, tokens, pages, conditional
 * questions, limits (docs.github.com/rest/releases, /rest/using-the-rest-api; docs.gitea.com/development/api-usage). API, pages and storage are
 * hosts of their own, as GitHub's are; storage refuses whoever brings a token along, as S3 does beside a signature.
 */

export interface ServedAsset {
  readonly name: string;
  readonly bytes: Buffer | string;
  /** GitHub says it unless `null`; Gitea never does. */
  readonly digest?: string | null | undefined;
  readonly state?: string | undefined;
  /** What is really sent. */
  readonly sent?: Buffer | string | undefined;
  readonly id?: number | undefined;
}

export interface ServedRelease {
  readonly tag: string;
  readonly assets?: readonly ServedAsset[] | undefined;
  readonly name?: string | undefined;
  readonly body?: string | undefined;
  readonly draft?: boolean | undefined;
  readonly prerelease?: boolean | undefined;
}

export interface ForgeRequest {
  readonly role: 'api' | 'web' | 'storage';
  readonly path: string;
  readonly authorized: boolean;
  status: number;
}

export interface ForgeHabits {
  /** Private: without it there is nothing (404); another is refused (401). */
  token?: string | undefined;
  /** No more questions: until so many seconds from now, by the server's clock. */
  limited?: { resetInS: number; status: 403 | 429; retryAfter?: number | undefined; clockAheadS?: number } | undefined;
  html?: boolean | undefined;
  /** The API answers so, whatever is asked. */
  status?: number | undefined;
  /** Its former name leads to the repository by its number. */
  formerly?: string | undefined;
  /** Ends bodies of files after so many bytes. */
  cut?: number | undefined;
  noEtags?: boolean | undefined;
}

export interface ForgeServer {
  readonly kind: 'github' | 'gitea';
  readonly repo: string;
  /** As `api:` names it. */
  readonly api: string;
  /** The pages' host; Gitea's API is under it. */
  readonly web: string;
  readonly releases: ServedRelease[];
  readonly requests: ForgeRequest[];
  /** What the real servers would have refused. */
  readonly violations: string[];
  readonly habits: ForgeHabits;
  close(): Promise<void>;
}

export const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

export async function serveForge(kind: 'github' | 'gitea', repo = 'acme/robot'): Promise<ForgeServer> {
  const releases: ServedRelease[] = [];
  const requests: ForgeRequest[] = [];
  const violations: string[] = [];
  const habits: ForgeHabits = {};
  const ids = new Map<string, number>();
  /** A new upload is a new number. */
  const idOf = ({ tag }: ServedRelease, { name, bytes, id }: ServedAsset) => {
    const key = `${tag}/${name}/${sha256(bytes)}`;
    if (!ids.has(key)) ids.set(key, ids.size + 1_000);
    return id ?? (ids.get(key) as number);
  };

  const role = async (name: ForgeRequest['role'], answer: (q: Question) => number) => {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://x');
      const authorization = request.headers.authorization;
      const entry = { role: name, path: request.url ?? '/', authorized: authorization !== undefined, status: 0 };
      requests.push(entry);
      if (!request.headers['user-agent']) violations.push(`${name}: no User-Agent`);
      const send: Question['send'] = (status, body = '', headers = {}) => {
        response.writeHead(status, { date: new Date(now()).toUTCString(), ...headers }).end(body);
        return status;
      };
      entry.status = answer({ request, response, url, authorization, send });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  const now = () => Date.now() + (habits.limited?.clockAheadS ?? 0) * 1_000;

  const file = ({ send, response }: Question, asset: ServedAsset): number => {
    const bytes = Buffer.from(asset.sent ?? asset.bytes);
    if (habits.cut !== undefined && bytes.length > habits.cut) {
      response.writeHead(200, { 'content-length': String(bytes.length) });
      response.write(bytes.subarray(0, habits.cut), () => response.destroy());
      return 200;
    }
    return send(200, bytes, { 'content-length': String(bytes.length), 'content-type': 'application/octet-stream' });
  };
  const byId = (id: number) => {
    for (const release of releases) {
      const asset = release.assets?.find((one) => idOf(release, one) === id);
      if (asset) return asset;
    }
    return undefined;
  };

  const storage = await role('storage', (q) => {
    if (q.authorization !== undefined) {
      violations.push('storage was sent a token');
      return q.send(400, 'Only one auth mechanism allowed');
    }
    const asset = byId(Number(q.url.pathname.slice(1)));
    return asset && q.url.searchParams.get('sig') === 'good' ? file(q, asset) : q.send(403, 'AccessDenied');
  });

  const download = (q: Question): number => {
    const [, tag, name] = /\/releases\/download\/([^/]+)\/([^/]+)$/.exec(decodeURIComponent(q.url.pathname)) ?? [];
    const owner = `/${repo}/releases/`;
    const release = releases.find((one) => one.tag === tag && !one.draft);
    const asset = release?.assets?.find((one) => one.name === name);
    if (!q.url.pathname.startsWith(owner) || !release || !asset) return q.send(404, 'Not Found');
    // GitHub's pages know no tokens of programs; Gitea's files do.
    if (habits.token !== undefined && (kind === 'github' || q.authorization !== `token ${habits.token}`)) {
      return q.send(404, 'Not Found');
    }
    return q.send(302, '', { location: `${storage.url}/${idOf(release, asset)}?sig=good` });
  };

  const pages = await role('web', (q) => {
    if (kind === 'gitea' && q.url.pathname.startsWith('/api/v1/')) return api(q);
    if (kind === 'github' && q.authorization !== undefined) violations.push('the pages were sent a token');
    return download(q);
  });

  const apiRole = kind === 'github' ? await role('api', (q) => api(q)) : pages;
  const base = kind === 'github' ? apiRole.url : `${pages.url}/api/v1`;

  const api = (q: Question): number => {
    const { request, url, authorization, send } = q;
    const json = (status: number, value: unknown, headers: Record<string, string> = {}) =>
      send(status, JSON.stringify(value), { 'content-type': 'application/json; charset=utf-8', ...headers });
    if (habits.html) return send(200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' });
    if (habits.status !== undefined) return json(habits.status, { message: 'Server Error' });
    if (kind === 'github' && request.headers['x-github-api-version'] !== '2022-11-28') {
      violations.push('no X-GitHub-Api-Version');
    }
    if (habits.limited) {
      const { resetInS, status, retryAfter } = habits.limited;
      const headers: Record<string, string> =
        retryAfter === undefined
          ? {
              'x-ratelimit-limit': authorization ? '5000' : '60',
              'x-ratelimit-remaining': '0',
              'x-ratelimit-reset': String(Math.floor(now() / 1_000) + resetInS),
            }
          : { 'retry-after': String(retryAfter) };
      return json(status, { message: 'API rate limit exceeded for 192.0.2.7.' }, headers);
    }
    const word = kind === 'github' ? 'Bearer' : 'token';
    if (authorization !== undefined && authorization !== `${word} ${habits.token}`) {
      return json(401, { message: kind === 'github' ? 'Bad credentials' : 'invalid username, password or token' });
    }
    const missing = () => json(404, { message: kind === 'github' ? 'Not Found' : 'The target couldn’t be found.' });
    const path = url.pathname.slice(new URL(base).pathname.replace(/\/$/, '').length);
    if (habits.formerly !== undefined && path.startsWith(`/repos/${habits.formerly}/`)) {
      const rest = path.slice(`/repos/${habits.formerly}`.length);
      const location =
        kind === 'github' ? `${base}/repositories/42${rest}${url.search}` : `${base}/repos/${repo}${rest}${url.search}`;
      return json(kind === 'github' ? 301 : 307, { message: 'Moved Permanently', url: location }, { location });
    }
    const inside = path.startsWith(`/repos/${repo}/`)
      ? path.slice(`/repos/${repo}/`.length)
      : path.startsWith('/repositories/42/')
        ? path.slice('/repositories/42/'.length)
        : undefined;
    if (inside === undefined || (habits.token !== undefined && authorization === undefined)) return missing();
    const id = Number(/^releases\/assets\/(\d+)$/.exec(inside)?.[1]);
    if (kind === 'github' && id > 0) {
      if (request.headers.accept !== 'application/octet-stream') violations.push('a file was asked for as JSON');
      return byId(id) ? send(302, '', { location: `${storage.url}/${id}?sig=good` }) : missing();
    }
    const accepted = kind === 'github' ? 'application/vnd.github+json' : 'application/json';
    if (request.headers.accept !== accepted) violations.push(`Accept: ${request.headers.accept}`);
    const shown = releases.filter((release) => !release.draft || authorization !== undefined);
    const tag = /^releases\/tags\/(.+)$/.exec(inside)?.[1];
    if (tag !== undefined) {
      const found = releases.find((one) => one.tag === decodeURIComponent(tag) && !one.draft);
      return found ? conditional(q, JSON.stringify(show(found))) : missing();
    }
    if (inside !== 'releases') return missing();
    const asked = Number(url.searchParams.get(kind === 'github' ? 'per_page' : 'limit') ?? 30);
    if (asked > 100) violations.push(`${asked} a page`);
    const size = Math.min(asked, kind === 'github' ? 100 : 50);
    const page = Number(url.searchParams.get('page') ?? 1);
    const body = JSON.stringify(shown.slice((page - 1) * size, page * size).map(show));
    const more = page * size < shown.length;
    const next = new URL(`${base}${path}`);
    next.search = url.search;
    next.searchParams.set('page', String(page + 1));
    const headers: Record<string, string> = more
      ? { link: `<${next.href}>; rel="next", <${next.href}>; rel="last"` }
      : {};
    if (kind === 'gitea') headers['x-total-count'] = String(shown.length);
    return conditional(q, body, headers);
  };

  const conditional = ({ request, send }: Question, body: string, headers: Record<string, string> = {}): number => {
    const type = { 'content-type': 'application/json; charset=utf-8' };
    // Gitea's API has none.
    if (kind === 'gitea' || habits.noEtags) return send(200, body, { ...type, ...headers });
    const etag = `W/"${sha256(body + (request.headers.authorization ?? ''))}"`;
    if (request.headers['if-none-match'] === etag) return send(304, '', { etag });
    return send(200, body, { ...type, ...headers, etag });
  };

  const show = (release: ServedRelease) => ({
    id: 1 + releases.indexOf(release),
    tag_name: release.tag,
    target_commitish: 'main',
    name: release.name ?? release.tag,
    body: release.body ?? '',
    draft: release.draft ?? false,
    prerelease: release.prerelease ?? false,
    created_at: '2026-11-20T08:00:00Z',
    published_at: release.draft ? null : '2026-11-20T08:00:00Z',
    assets: (release.assets ?? []).map((asset) => ({
      id: idOf(release, asset),
      name: asset.name,
      size: Buffer.byteLength(asset.bytes),
      download_count: requests.filter(({ role: of }) => of === 'storage').length,
      created_at: '2026-11-20T08:00:00Z',
      browser_download_url: `${pages.url}/${repo}/releases/download/${encodeURIComponent(release.tag)}/${encodeURIComponent(asset.name)}`,
      ...(kind === 'gitea'
        ? { uuid: `uuid-${idOf(release, asset)}` }
        : {
            url: `${base}/repos/${repo}/releases/assets/${idOf(release, asset)}`,
            state: asset.state ?? 'uploaded',
            label: null,
            content_type: 'application/octet-stream',
            digest: asset.digest === undefined ? `sha256:${sha256(asset.bytes)}` : asset.digest,
          }),
    })),
  });

  return {
    kind,
    repo,
    api: base,
    web: pages.url,
    releases,
    requests,
    violations,
    habits,
    async close() {
      const all: Server[] = [...new Set([storage.server, pages.server, apiRole.server])];
      await Promise.all(
        all.map((server) => {
          server.closeAllConnections();
          return new Promise<void>((resolve) => server.close(() => resolve()));
        }),
      );
    },
  };
}

interface Question {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly authorization: string | undefined;
  send(status: number, body?: string | Buffer, headers?: Record<string, string>): number;
}
