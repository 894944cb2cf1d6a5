import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pinHub, readHubIdentity } from '../../agent/hub-identity.ts';
import { type HomeLayout, homeLayout, serviceRecord } from '../../config/home.ts';
import { asHubText } from '../../src/cli/service/as-hub.ts';
import { readTrimmed } from '../../src/files/durable.ts';
import { openKey } from '../../src/protocol/key.ts';

/** What a hub with a user of its own, which somebody has taken over, may leave in its folder for root to find. */
let home: string;
let layout: HomeLayout;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fettle-apart-'));
  layout = homeLayout(home, join(home, 'run'));
  for (const folder of [layout.hub.dir, layout.agent.dir, layout.keeper.dir]) mkdirSync(folder);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('the hub of the same home is believed by the key that it had first', () => {
  writeFileSync(layout.hub.port, '7411\n');
  expect(readHubIdentity(layout, false)).toBeUndefined();
  const first = openKey(layout.hub.key).publicKey.trim();
  expect(readHubIdentity(layout, false)).toEqual({ address: 'ws://127.0.0.1:7411/agent', key: first });
  expect(statSync(layout.agent.peers).mode & 0o777).toBe(0o600);
  rmSync(layout.hub.key);
  rmSync(`${layout.hub.key}.pub`);
  expect(openKey(layout.hub.key).publicKey.trim()).not.toBe(first);
  expect(readHubIdentity(layout, false)?.key).toBe(first);
});

test('nothing but a public key is taken for one: no link to a private key, no other file', () => {
  openKey(layout.agent.key);
  symlinkSync(layout.agent.key, `${layout.hub.key}.pub`);
  expect(pinHub(layout)).toBeUndefined();
  expect(existsSync(layout.agent.peers)).toBe(false);
  rmSync(`${layout.hub.key}.pub`);
  symlinkSync('/etc/passwd', `${layout.hub.key}.pub`);
  expect(pinHub(layout)).toBeUndefined();
  expect(existsSync(layout.agent.peers)).toBe(false);
});

test('a pipe, a device and a file without end hold nobody up', () => {
  execFileSync('mkfifo', [layout.hub.port]);
  expect(() => readTrimmed(layout.hub.port)).toThrow('is no small file');
  rmSync(layout.hub.port);
  symlinkSync('/dev/zero', layout.hub.port);
  expect(() => readTrimmed(layout.hub.port)).toThrow('is no small file');
  rmSync(layout.hub.port);
  execFileSync('truncate', ['-s', '2G', layout.hub.port]);
  expect(() => readTrimmed(layout.hub.port)).toThrow('is no small file');
});

test('the record of a service says where the hub of its user is found', () => {
  const record = { units: ['fettle.service'], user: false, runtime: '/run/fettle' };
  writeFileSync(serviceRecord(home), JSON.stringify(record));
  expect(homeLayout(home, '/tmp/x')).toMatchObject({ hub: { user: undefined } });
  writeFileSync(
    serviceRecord(home),
    JSON.stringify({ ...record, hub: { user: 'fettle-hub', runtime: '/run/fettle-hub' } }),
  );
  const { hub, runtime } = homeLayout(home, '/tmp/x');
  expect(hub.user).toBe('fettle-hub');
  expect(runtime.hubSocket).toMatch(/^\/run\/fettle-hub\/[0-9a-f]{12}\/hub\.sock$/);
  expect(runtime.keeperSocket).toMatch(/^\/run\/fettle\/[0-9a-f]{12}\/keeper\.sock$/);
  // A record of a later version, or half of one.
  writeFileSync(serviceRecord(home), JSON.stringify({ ...record, hub: { user: 1 } }));
  expect(homeLayout(home, '/tmp/x').hub.user).toBeUndefined();
});

test('the script that starts the hub is one for every sh, whatever the home is called', () => {
  const odd = homeLayout(join(home, `it's "odd" $HOME`), join(home, 'run'));
  const text = asHubText({ layout: odd, user: 'nobody-of-here', runtime: '/run/x', files: [odd.config] });
  const script = join(home, 'as-hub');
  writeFileSync(script, text);
  execFileSync('/bin/sh', ['-n', script]);
  // Nothing is changed for a user that is not there.
  expect(() => execFileSync('/bin/sh', [script, 'true'], { stdio: 'pipe' })).toThrow(/nobody-of-here/);
  expect(existsSync(odd.home)).toBe(false);
  expect(readFileSync(script, 'utf8')).toContain(`'\\''`);
});
