import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, get, type RequestOptions } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates, connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { pinOf } from '../../src/cli/hub-certificate.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { startTestAgent, startTestHub, type TestAgent, type TestHub } from '../support/hub-and-link.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'fettle-tls-'));
const authorities = getCACertificates('default');
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

/** A certificate for localhost that an authority of this test signed. */
function issue(name: string): { cert: string; key: string } {
  openssl(
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  );
  writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:localhost\n');
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '30',
    '-extfile',
    'ext',
    '-out',
    `${name}.pem`,
  );
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

beforeAll(() => {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '30',
    '-subj',
    '/CN=test authority',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
});
let hub: TestHub | undefined;
const agents: TestAgent[] = [];
const ends: (() => unknown)[] = [];
afterEach(async () => {
  setDefaultCACertificates(authorities);
  for (const agent of agents.splice(0)) agent.stop();
  await hub?.stop();
  for (const end of ends.splice(0)) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function agentOf(at: TestHub, id: string, address: string, certificate?: string, proxy?: string): TestAgent {
  const agent = startTestAgent(at, id, {
    hub: () => ({ address, key: at.key.publicKey, certificate }),
    ...(proxy === undefined ? {} : { proxy: () => proxy }),
  });
  agents.push(agent);
  return agent;
}
const healthz = (options: RequestOptions) =>
  new Promise<number | undefined>((resolve, reject) => {
    get({ path: '/healthz', agent: false, ...options }, (response) => resolve(response.resume().statusCode)).on(
      'error',
      reject,
    );
  });

test('a self-signed hub is known by its pin; the agent of its own home goes on without TLS', async () => {
  hub = await startTestHub({ listen: '127.0.0.1:0', tls: 'self-signed' });
  const { address, certificate } = hub.listener.reach();
  expect(address).toMatch(/^wss:\/\/127\.0\.0\.1:\d+\/agent$/);
  expect(certificate).toMatch(/^sha256\//);
  const file = join(hub.layout.hub.dir, 'tls', 'cert.pem');
  const made = new X509Certificate(readFileSync(file));
  expect(pinOf(made)).toBe(certificate);
  expect(made.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect((Date.parse(made.validTo) - Date.now()) / 86_400_000).toBeGreaterThan(3_640);
  expect(statSync(join(hub.layout.hub.dir, 'tls', 'key.pem')).mode & 0o777).toBe(0o600);
  const port = readFileSync(hub.layout.hub.port, 'utf8').trim();
  const far = agentOf(hub, 'd-far', address, certificate);
  const near = agentOf(hub, 'd-near', `ws://127.0.0.1:${port}/agent`);
  await until('both to connect', () => far.link.connected() && near.link.connected());
  hub.gateway.send('d-far', { type: 'cancel', update: 'u-1' });
  await until('a message', () => far.told.length > 0);
  expect(far.told[0]?.message).toEqual({ type: 'cancel', update: 'u-1' });
});

test('with port 0 devices find the hub where they were told, also after its next start', async () => {
  const home = mkdtempSync(join(tmpdir(), 'fettle-hub-'));
  try {
    const start = (log: string[] = []) => startTestHub({ listen: '127.0.0.1:0', tls: 'self-signed' }, { home, log });
    hub = await start();
    const { address } = hub.listener.reach();
    await hub.stop();
    hub = await start();
    expect(hub.listener.reach().address).toBe(address);
    await hub.stop();
    // Somebody else has it: the hub serves all the same, and says who is left alone.
    const other = createServer();
    const port = Number(new URL(address).port);
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    const log: string[] = [];
    hub = await start(log);
    expect(hub.listener.reach().address).not.toBe(address);
    expect(log.join('\n')).toContain(`port ${port}, which devices were told, is taken by another program`);
    await hub.stop();
    await new Promise((resolve) => other.close(resolve));
    hub = await start();
    expect(hub.listener.reach().address).toBe(address);
  } finally {
    await hub?.stop();
    hub = undefined;
    rmSync(home, { recursive: true, force: true });
  }
});

test('another certificate is found out before anything of ours is sent, and none is believed without a pin', async () => {
  hub = await startTestHub({ listen: '127.0.0.1:0', tls: 'self-signed' });
  const { certificate = '' } = hub.listener.reach();
  const other = issue('localhost');
  let said = 0;
  let attempts = 0;
  const impostor = createServer({ cert: readFileSync(other.cert), key: readFileSync(other.key) });
  impostor.on('secureConnection', (socket) => {
    socket.on('data', (data) => {
      said += data.length;
    });
  });
  impostor.on('connection', () => {
    attempts += 1;
  });
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
  ends.push(() => impostor.close());
  const there = `wss://127.0.0.1:${(impostor.address() as AddressInfo).port}/agent`;
  const misled = agentOf(hub, 'd-1', there, certificate);
  await until('three attempts', () => attempts >= 3);
  expect(said).toBe(0);
  expect(misled.log).toEqual([expect.stringContaining('certificate is not the one')]);
  // The impostor would have heard something: an agent that is to know it says it all.
  agentOf(hub, 'd-3', there, pinOf(new X509Certificate(readFileSync(other.cert))));
  await until('a request', () => said > 0);
  const unpinned = agentOf(hub, 'd-2', hub.listener.reach().address);
  await until('a refusal', () => unpinned.log.length > 0);
  expect(unpinned.log.join()).toMatch(/self-signed|unable to verify/);
  expect(misled.link.connected() || unpinned.link.connected()).toBe(false);
});

test("an authority's certificate is believed for its names only, and its renewal is taken without a restart", async () => {
  const { cert, key } = issue('localhost');
  const files = { cert: join(folder, 'shown.pem'), key: join(folder, 'shown.key') };
  copyFileSync(cert, files.cert);
  copyFileSync(key, files.key);
  hub = await startTestHub({ listen: '127.0.0.1:0', tls: files });
  const { address, certificate } = hub.listener.reach();
  expect(certificate).toBeUndefined();
  expect(address).toMatch(/^wss:\/\/localhost:\d+\/agent$/);
  const port = Number(new URL(address).port);
  const strangers = agentOf(hub, 'd-0', address);
  await until('a refusal', () => strangers.log.length > 0);
  setDefaultCACertificates([...authorities, readFileSync(join(folder, 'ca.pem'), 'utf8')]);
  const right = agentOf(hub, 'd-1', address);
  const wrongName = agentOf(hub, 'd-2', `wss://127.0.0.1:${port}/agent`);
  await until('the right one', () => right.link.connected());
  await until('the wrong one', () => wrongName.log.length > 0);
  expect(wrongName.log.join()).toMatch(/does not match|IP/);

  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
        socket.destroy();
      }).on('error', reject);
    });
  const before = await shown();
  const next = issue('next');
  // As certbot leaves it between its two writes: a certificate whose key is not there yet.
  copyFileSync(next.cert, files.cert);
  hub.listener.renew();
  expect(hub.log.join('\n')).toMatch(/one before stays/);
  expect(await shown()).toBe(before);
  copyFileSync(next.key, files.key);
  hub.listener.renew();
  expect(await shown()).toBe(new X509Certificate(readFileSync(next.cert)).serialNumber);
  expect(right.link.connected()).toBe(true);
});

test.each<[string, (files: { cert: string; key: string }) => { cert: string; key: string }, RegExp]>([
  ['is not there', () => ({ cert: '/none.pem', key: '/none.key' }), /not there/],
  ['is no certificate', ({ key }) => ({ cert: key, key }), /no certificate in PEM/],
  ['has another key', ({ cert }) => ({ cert, key: join(folder, 'ca.key') }), /its key is not the one/],
])('a certificate that %s is refused by name', async (_, change, reason) => {
  const files = change(issue('localhost'));
  await expect(startTestHub({ listen: '127.0.0.1:0', tls: files })).rejects.toMatchObject({
    code: 'tls_unusable',
    data: { file: files.cert, reason: expect.stringMatching(reason) },
  });
});

test('TLS 1.1 is refused; a plain client at the TLS port does no harm', async () => {
  hub = await startTestHub({ listen: '127.0.0.1:0', tls: 'self-signed' });
  const port = Number(new URL(hub.listener.reach().address).port);
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
  await expect(healthz({ ...options, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow();
  const plain = connect(port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\n\r\n'));
  await new Promise((resolve) =>
    plain
      .on('close', resolve)
      .on('error', () => undefined)
      .resume(),
  );
  expect(await healthz(options)).toBe(200);
});

test('through a proxy: the pin is checked behind it, and what it refuses is said', async () => {
  hub = await startTestHub({ listen: '127.0.0.1:0', tls: 'self-signed' });
  const { address, certificate } = hub.listener.reach();
  const proxy = await startConnectProxy();
  ends.push(() => proxy.close());
  const right = agentOf(hub, 'd-1', address, certificate, proxy.url);
  await until('a connection', () => right.link.connected());
  expect(proxy.tunnels).toEqual([new URL(address).host]);
  const wrong = agentOf(hub, 'd-2', address, `sha256/${'A'.repeat(43)}=`, proxy.url);
  await until('a refusal', () => wrong.log.length > 0);
  expect(wrong.log[0]).toMatch(/certificate is not the one/);
  proxy.refuse(407);
  const refused = agentOf(hub, 'd-3', address, certificate, proxy.url);
  await until('a refusal', () => refused.log.length > 0);
  expect(refused.log[0]).toMatch(/the proxy answers 407/);
});
