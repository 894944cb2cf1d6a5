import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Fettle's own npm, as installed here. */
export const npmCli = fileURLToPath(new URL('../../node_modules/npm/bin/npm-cli.js', import.meta.url));

/** A small real npm registry on loopback: packuments with ETag and 304, tarballs made by `npm pack`, a request log. */

export interface TestPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
}

export interface RegistryRequest {
  readonly method: string;
  readonly path: string;
  readonly ifNoneMatch: string | undefined;
  readonly authorization: string | undefined;
  status: number;
}

export type Misbehaviour =
  | 'error-500'
  | 'hang'
  | 'unauthorized'
  | 'html'
  | 'wrong-bytes'
  | 'wrong-integrity'
  | 'no-keys'
  | 'no-signatures';

export interface Registry {
  readonly url: string;
  readonly requests: RegistryRequest[];
  publish(...packages: TestPackage[]): void;
  tag(name: string, tag: string, version: string): void;
  /** Integrity of a published version, as the registry should tell it. */
  integrity(name: string, version: string): string;
  /** `undefined`: behaves. */
  misbehave(how: Misbehaviour | undefined): void;
  /** From now on it signs its packages and serves its keys. Answers what a thief of a mirror can't have: its key. */
  sign(): { readonly keyid: string; expires(at: string): void };
  /** Resolves when a request arrives whose path contains `part`. */
  arrived(part: string): Promise<void>;
  /** Stops listening, and again on the same port. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Stored {
  tags: Record<string, string>;
  times: Record<string, string>;
  versions: Record<string, { manifest: Record<string, unknown>; tarball: Buffer; integrity: string; shasum: string }>;
}

/** A key as the registry of npm has it, and what it signs. */
function makeSigner() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ format: 'der', type: 'spki' });
  const keyid = `SHA256:${createHash('sha256').update(key).digest('base64')}`;
  const shown = {
    ...{ keyid, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256' },
    key: key.toString('base64'),
    expires: null as string | null,
  };
  return { shown, sign: (text: string) => sign('sha256', Buffer.from(text), privateKey).toString('base64') };
}

export async function startRegistry(): Promise<Registry> {
  const packages = new Map<string, Stored>();
  const requests: RegistryRequest[] = [];
  const waiting: { part: string; resolve: () => void }[] = [];
  let misbehaviour: Misbehaviour | undefined;
  let signer: ReturnType<typeof makeSigner> | undefined;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const entry: RegistryRequest = {
      method: request.method ?? '',
      path,
      ifNoneMatch: request.headers['if-none-match'],
      authorization: request.headers.authorization,
      status: 0,
    };
    requests.push(entry);
    response.on('finish', () => {
      entry.status = response.statusCode;
    });
    for (const wait of waiting) if (path.includes(wait.part)) wait.resolve();
    answer(path, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });

  function answer(path: string, request: IncomingMessage, response: ServerResponse): ServerResponse | undefined {
    if (misbehaviour === 'hang') return undefined;
    if (misbehaviour === 'error-500') return end(response, 500, '{"error":"boom"}');
    if (misbehaviour === 'unauthorized') return end(response, 401, '{"error":"who are you"}');
    if (path === '/-/npm/v1/keys' && signer && misbehaviour !== 'no-keys') {
      return end(response, 200, JSON.stringify({ keys: [signer.shown] }), { 'content-type': 'application/json' });
    }
    if (misbehaviour === 'html') return end(response, 200, '<html>Sign in</html>', { 'content-type': 'text/html' });
    const tarball = /^\/(.+)\/-\/[^/]+-(\d+\.\d+\.\d+\S*)\.tgz$/.exec(path);
    if (tarball) {
      const stored = packages.get(tarball[1] ?? '')?.versions[tarball[2] ?? ''];
      if (!stored) return end(response, 404, '{}');
      const bytes = misbehaviour === 'wrong-bytes' ? gzipSync('other bytes') : stored.tarball;
      return end(response, 200, bytes, { 'content-type': 'application/octet-stream' });
    }
    const name = path.slice(1);
    const found = packages.get(name);
    if (!found) return end(response, 404, '{"error":"not found"}');
    const body = JSON.stringify(packument(name, found));
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
    const headers = { 'content-type': 'application/json', etag, 'cache-control': 'public, max-age=300' };
    if (request.headers['if-none-match'] === etag) return end(response, 304, '', headers);
    return end(response, 200, body, headers);
  }

  function packument(name: string, stored: Stored): unknown {
    const versions = Object.fromEntries(
      Object.entries(stored.versions).map(([version, v]) => [
        version,
        {
          ...v.manifest,
          dist: {
            tarball: `${url}/${name}/-/${name.replace(/^@.*\//, '')}-${version}.tgz`,
            integrity:
              misbehaviour === 'wrong-integrity'
                ? `sha512-${createHash('sha512').update(version).digest('base64')}`
                : v.integrity,
            shasum: v.shasum,
            ...(signer && misbehaviour !== 'no-signatures'
              ? { signatures: [{ keyid: signer.shown.keyid, sig: signer.sign(`${name}@${version}:${v.integrity}`) }] }
              : {}),
            unpackedSize: 1_234,
          },
        },
      ]),
    );
    return { _id: name, name, 'dist-tags': stored.tags, versions, time: stored.times };
  }

  return {
    url,
    requests,
    sign: () => {
      const made = makeSigner();
      signer = made;
      return {
        keyid: made.shown.keyid,
        expires: (at) => {
          made.shown.expires = at;
        },
      };
    },
    publish: (...list) => {
      for (const item of list) {
        const stored = packages.get(item.name) ?? { tags: {}, times: {}, versions: {} };
        packages.set(item.name, stored);
        stored.versions[item.version] = pack(item);
        stored.times[item.version] = new Date(
          1_700_000_000_000 + Object.keys(stored.times).length * 1_000,
        ).toISOString();
        stored.tags.latest ??= item.version;
      }
    },
    tag: (name, tag, version) => {
      const stored = packages.get(name);
      if (!stored) throw new Error(`not published: ${name}`);
      stored.tags[tag] = version;
    },
    integrity: (name, version) => {
      const integrity = packages.get(name)?.versions[version]?.integrity;
      if (!integrity) throw new Error(`not published: ${name}@${version}`);
      return integrity;
    },
    misbehave: (how) => {
      misbehaviour = how;
    },
    arrived: (part) =>
      new Promise((resolve) => {
        if (requests.some((request) => request.path.includes(part))) resolve();
        else waiting.push({ part, resolve });
      }),
    stop,
    restart: async () => {
      if (!server.listening) await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    },
    close: stop,
  };
}

function end(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): ServerResponse {
  return response.writeHead(status, headers).end(body);
}

/** The real `npm pack` of a tiny package. */
function pack(item: TestPackage): Stored['versions'][string] {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-pack-'));
  try {
    const { files, ...manifest } = item;
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    for (const [name, content] of Object.entries({ 'index.js': 'module.exports = 1\n', ...files })) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), content, { mode: 0o755 });
    }
    const args = [
      npmCli,
      'pack',
      '--json',
      '--ignore-scripts',
      '--offline',
      `--cache=${join(folder, '..', 'fettle-pack-cache')}`,
    ];
    const out = execFileSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const filename = /"filename":\s*"([^"]+)"/.exec(out)?.[1];
    if (!filename) throw new Error(`npm pack said: ${out}`);
    const tarball = readFileSync(join(folder, filename));
    return {
      manifest,
      tarball,
      integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
      shasum: createHash('sha1').update(tarball).digest('hex'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
